"""Work that is done record by record: where it runs, and the finished parts that it leaves."""

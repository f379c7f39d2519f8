"""Raw folders of a corpus: fetched, verified, listed record by record."""

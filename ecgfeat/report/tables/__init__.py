"""Tables of the pages, from results to cells."""

"""Raw folders of a corpus: download, verify, and describe each record."""

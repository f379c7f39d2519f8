"""Look at an artifact or a record: what it is, whether it is sound, what it looks like."""

"""One unannotated record: its beats, its rhythm episodes, and how sensitive they are to the input."""

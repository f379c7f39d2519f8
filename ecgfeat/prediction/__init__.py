"""One unannotated record: its beats and its rhythm episodes, and what speaks for them."""

"""Two seconds around each R-peak: beat windows, the HTF beat embedder and its training."""

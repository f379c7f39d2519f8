"""From beats to rhythms: features, the timeline head, the window head, baselines, decoding."""

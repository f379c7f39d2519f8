"""Scores against reference annotations: beats (EC57), rhythms, calibration, intervals."""

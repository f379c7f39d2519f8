"""Drawings on millimetre paper and figures: strips, ribbons, RR intervals, stages; their colours and letters."""

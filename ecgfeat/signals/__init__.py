"""A signal at the common rate: resampling, QRS detection, R-peaks matched to the reference."""

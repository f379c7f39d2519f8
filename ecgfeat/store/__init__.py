"""Artifacts on disk: their schemas, Parquet tables, Zarr arrays, weights, cache, and atomic publishing."""

"""What lies on disk: schemas, Parquet tables, Zarr arrays, weights, and how each is published."""

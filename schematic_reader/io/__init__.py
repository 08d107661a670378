"""Files of the pipeline: atomic writes, parquet contracts, pictures, and the errors a user can cause."""

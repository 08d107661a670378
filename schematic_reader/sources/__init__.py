"""The sources of raw rows: the Hub, a local folder of parquet files, the built-in generator."""

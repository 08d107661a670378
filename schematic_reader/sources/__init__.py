"""Where raw rows come from: the Hub, a local folder of parquet, or the built-in generator."""

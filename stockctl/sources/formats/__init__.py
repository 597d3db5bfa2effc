"""Rows from files: CSV, NDJSON and Parquet."""

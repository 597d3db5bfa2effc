"""The embedded backend: SQLite, files and DuckDB in one data folder."""

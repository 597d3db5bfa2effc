"""The durable queue of a live producer: a SQLite file, and a lock file beside it."""

"""The durable queue of a live producer: an SQLite file, with a lock and a log of drops beside it."""

"""Near-real-time stock analytics: stream, archive, enrich, detect, alert and query."""

__version__ = "0.1.0"

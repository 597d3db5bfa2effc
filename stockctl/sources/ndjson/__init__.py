"""Quotes as they come, one JSON object a line, from a pipe or a growing file.

``feed`` waits for lines, ``source`` makes quotes of them.
"""

from stockctl.sources.ndjson.source import NdjsonSource

__all__ = ["NdjsonSource"]

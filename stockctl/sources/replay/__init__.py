"""Quotes out of files: CSV, NDJSON and Parquet, in order of time.

Each file is read once, row by row (``inputs``, ``lines``, ``csv_rows``, ``ndjson_rows``,
``parquet_rows``); ``rows`` checks a row; ``staging`` writes good rows to a private temporary file and
bad ones to a ``spill``, both in a ``workspace``; ``ordering`` sorts what was staged; ``sessions`` fills in
previous closes; ``pacing`` waits between moments; ``source`` ties them together.
"""

from stockctl.sources.replay.source import ReplaySource

__all__ = ["ReplaySource"]

"""Where things lie in this repository."""

from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
"""Has to be on the path of a child process that imports ``support``."""
REPOSITORY = TESTS.parent
DATA = TESTS / "data"
"""Real market data; its README tells where it is from."""
DEMO = REPOSITORY / "stockctl" / "demo" / "daily_2008_2009.csv"

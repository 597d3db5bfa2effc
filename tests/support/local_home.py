"""An embedded home in tests: opened as the program does it, read back with sqlite3 and files alone."""

import base64
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from stockctl.backends.local import setup
from stockctl.backends.local.database import Database
from stockctl.backends.local.home import Home
from stockctl.backends.local.stream import LocalStream
from stockctl.market.rules import AnalysisRules
from stockctl.pipeline.ports import Record
from support.real_data import wire
from support.reference_figures import ALERT_NUMBERS, NUMBERS, Plain

NOW = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
BATCH = 500
_RULES = AnalysisRules()


@contextmanager
def open_stream(
    root: Path,
    rules: AnalysisRules = _RULES,
    max_age: timedelta | None = timedelta(hours=1),
    now: datetime = NOW,
) -> Iterator[LocalStream]:
    """Open the stream of the home in ``root``, which is made when it is missing."""
    home = Home(root)
    setup.provision(home)
    with closing(Database(home.database)) as database:
        yield LocalStream(home, database, rules, max_age, lambda: now)


def feed(root: Path, batches: Iterable[Sequence[Plain]], rules: AnalysisRules = _RULES) -> None:
    """Send batches of plain quotes into the home in ``root``."""
    with open_stream(root, rules) as stream:
        for batch in batches:
            stream.send(records(batch))


def records(quotes: Iterable[Plain]) -> list[Record]:
    """Return plain quotes as records of a stream."""
    return [Record(wire(quote), "test") for quote in quotes]


def batches(items: Sequence[Any], size: int = BATCH) -> Iterator[Sequence[Any]]:
    """Cut ``items`` into batches of ``size``."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def stored_rows(root: Path) -> list[dict[str, Any]]:
    """Return the table ``quotes`` by symbol and time, numbers as fractions."""
    return _rows(root, "SELECT * FROM quotes ORDER BY symbol, timestamp", NUMBERS)


def alert_rows(root: Path) -> list[dict[str, Any]]:
    """Return the table ``alerts`` in the order of logging, numbers as fractions."""
    return _rows(root, "SELECT * FROM alerts ORDER BY number", ALERT_NUMBERS)


def raised(root: Path) -> dict[str, dict[str, Any]]:
    """Return the alerts by id as ``reference.Book`` has them: without number and times of logging."""
    rows = alert_rows(root)
    found = {row["alert_id"]: row for row in rows}
    assert len(found) == len(rows)
    for row in rows:
        for name in ("number", "created_at", "published_at", "not_published"):
            del row[name]
    return found


def raw_files(root: Path) -> dict[tuple[str, str], bytes]:
    """Return the raw archive, bytes by (symbol, timestamp)."""
    found = {}
    for path in (root / "raw-data").glob("*/*"):
        day, _, time = path.name.removesuffix(".json").partition("T")
        found[path.parent.name, f"{day}T{time.replace('-', ':')}"] = path.read_bytes()
    return found


def partial_files(root: Path) -> list[Path]:
    """Return what interrupted writes left behind."""
    return [path for path in root.rglob(".*") if "partial" in path.name]


def quarantined(root: Path) -> list[dict[str, Any]]:
    """Return the quarantined records: origin, reason and data."""
    found = []
    for path in sorted((root / "quarantine").glob("*.json")):
        document = json.loads(path.read_bytes())
        document["data"] = base64.b64decode(document.pop("bytes"))
        found.append(document)
    return found


def tree(root: Path) -> dict[str, bytes]:
    """Return every file below ``root`` with its bytes."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _rows(root: Path, sql: str, numbers: Sequence[str]) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(f"{(root / 'stockctl.db').as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute(sql)]
    for row in rows:
        for name in numbers:
            row[name] = None if row[name] is None else _exact(row[name])
    return rows


@cache
def _exact(text: str) -> Fraction:
    return Fraction(text)

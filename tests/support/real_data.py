"""The files of real market data as plain quotes, read with the csv module alone."""

import csv
import gzip
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from support.paths import DATA
from support.reference_figures import utc_of_new_york, with_previous_close

INTRADAY = DATA / "intraday_1m_2019-02-11_15.csv.gz"
DAILY = DATA / "daily_2000_2013_public_domain.csv.gz"


def intraday() -> list[dict[str, Any]]:
    """Return the 1-minute quotes of February 2019 in time order, previous close derived."""
    quotes = [_plain(row["symbol"], row["timestamp"].replace("Z", ".000Z"), row) for row in _rows(INTRADAY)]
    return _in_time_order(quotes)


def daily() -> list[dict[str, Any]]:
    """Return the daily quotes of 2000 to 2013 in time order, stamped at New York's close of trading."""
    quotes = []
    for row in _rows(DAILY):
        lower = {name.lower(): value for name, value in row.items()}
        close = datetime.fromisoformat(lower["date"] + "T16:00")
        quotes.append(_plain(lower["ticker"], utc_of_new_york(close), lower))
    return _in_time_order(quotes)


def daily_of(year: str) -> list[dict[str, Any]]:
    """Return one year of the daily quotes; its first session has the previous close of the year before."""
    return [quote for quote in daily() if quote["timestamp"].startswith(year)]


def wire(quote: dict[str, Any]) -> bytes:
    """Return the JSON record of a plain quote, its numbers written as they stand in the file."""
    text = {name: f'"{value}"' for name, value in quote.items() if name in ("symbol", "timestamp", "source")}
    fields = {name: text.get(name, "null" if value is None else value) for name, value in quote.items()}
    return ("{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}").encode()


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as file:
        yield from csv.DictReader(file)


def _plain(symbol: str, timestamp: str, row: dict[str, str]) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "timestamp": timestamp,
        "price": row["close"],
        "previous_close": None,
        "open": row["open"] or None,
        "high": row["high"] or None,
        "low": row["low"] or None,
        "volume": int(row["volume"]) if row["volume"] else None,
        "source": "replay",
    }


def _in_time_order(quotes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return with_previous_close(sorted(quotes, key=lambda quote: quote["timestamp"]))

"""Writes generated quotes: one random walk for each symbol, one quote a minute, in order of time."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

_BEGIN = datetime(2020, 1, 2, 14, 30, tzinfo=UTC)


def write(path: Path, quotes: int, symbols: int) -> None:
    """Write a CSV of ``quotes`` rows over ``symbols`` symbols."""
    rng = random.Random(7)
    cents = [rng.randint(2_000, 50_000) for _ in range(symbols)]
    closes = list(cents)
    with path.open("w") as file:
        file.write("timestamp,symbol,price,previous_close,volume\n")
        for number in range(quotes):
            minute, symbol = divmod(number, symbols)
            cents[symbol] = max(100, cents[symbol] + rng.randint(-30, 30))
            when = (_BEGIN + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")
            file.write(f"{when},S{symbol:05},{_dollars(cents[symbol])},{_dollars(closes[symbol])},{minute}\n")
            if minute % 390 == 389:
                closes[symbol] = cents[symbol]


def _dollars(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"

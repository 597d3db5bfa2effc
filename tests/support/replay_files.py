"""Files to replay, and what comes out of them."""

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from threading import Event

import duckdb

from stockctl.market.quote import Quote
from stockctl.pipeline.ports import Rejection
from stockctl.sources.replay.source import ReplaySource

HEADER = ("timestamp", "symbol", "price")
GOOD = ("2019-02-11T14:31:00Z", "AAPL", "170.97")


def replayed(*files: Path | str, **options: object) -> tuple[list[Quote], list[Rejection]]:
    """Return the quotes and the rejections of a replay, each in the order they come."""
    source = ReplaySource([str(file) for file in files], **options)  # type: ignore[arg-type]
    items = [item for tick in source.ticks(Event()) for item in tick]
    assert source.expected == len(items)
    return (
        [item for item in items if isinstance(item, Quote)],
        [item for item in items if isinstance(item, Rejection)],
    )


def quotes_of(*files: Path | str, **options: object) -> list[Quote]:
    """Return the quotes of a replay in which no row is refused."""
    quotes, rejections = replayed(*files, **options)
    assert rejections == []
    return quotes


def csv_text(rows: Iterable[Sequence[object]], header: Sequence[str] = HEADER, delimiter: str = ",") -> str:
    """Return ``rows`` as the csv module writes them."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def write_csv(path: Path, rows: Iterable[Sequence[object]], header: Sequence[str] = HEADER) -> Path:
    """Write a CSV file, compressed when its name ends in .gz."""
    return write(path, csv_text(rows, header).encode())


def write(path: Path, data: bytes) -> Path:
    """Write a file, compressed when its name ends in .gz."""
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def write_parquet(path: Path, select: str) -> Path:
    """Write what a SELECT of DuckDB's gives as a Parquet file with a row group each 2,048 rows."""
    plain = path.with_name("written.parquet")
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute(f"COPY ({select}) TO '{plain}' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
    return plain.rename(path)


class CountedStop(Event):
    """A stop event that sets itself when it is looked at for the ``looks``-th time."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._left = looks

    def is_set(self) -> bool:
        self._left -= 1
        return self._left <= 0


class TimeMachine(Event):
    """A stop event and a clock: to wait is to move the clock, at once.

    ``on_wait`` is called with the number of the wait, from 1.
    """

    def __init__(self, on_wait: Callable[[int], None] = lambda number: None) -> None:
        super().__init__()
        self.now = 1000.0
        self.waits: list[float] = []
        self._on_wait = on_wait

    def clock(self) -> float:
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        self._on_wait(len(self.waits))
        self.now += timeout
        return self.is_set()

"""Staged rows in order of time, whatever their number."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TypeAlias

import duckdb

from stockctl.errors import SourceError
from stockctl.sources.replay.columns import FIELDS
from stockctl.sources.replay.engine import connect, first_line, literal
from stockctl.sources.replay.stopped import Stopped

StagedRow: TypeAlias = tuple[str, int, str, str, str | None, str | None, str | None, str | None, str | None]
"""Timestamp, number of the file, symbol, price, previous close, open, high, low, volume."""

_PATIENCE = 0.1  # seconds between two looks at the stop event while DuckDB sorts
_COLUMNS = {
    # Numbers stay the text that they are in the file, so that no type of DuckDB's can change them.
    **dict.fromkeys(FIELDS, "VARCHAR"),
    "sequence": "BIGINT",
    "file": "INTEGER",
}
_STATEMENT = f"""
    SELECT timestamp, file, symbol, price, previous_close, open, high, low, volume
    FROM read_csv(
        ?, columns = {_COLUMNS}, auto_detect = false, header = false, delim = '\t', quote = '', escape = '',
        max_line_size = 4096, buffer_size = 1048576
    )
    ORDER BY timestamp, sequence
"""


def sorted_rows(staged: Path, folder: Path, chunk: int, stop: Event) -> Iterator[list[StagedRow]]:
    """Yield the rows of a staged file by timestamp, then by sequence number, ``chunk`` at a time.

    They are sorted by DuckDB, in little memory, with what is larger in ``folder``.

    Raises:
        SourceError: they cannot be sorted; there may be no room.
        Stopped: ``stop`` was set while they were being sorted.
    """
    with _sorting(folder), closing(connect(folder, _memory_mb(staged))) as database:
        database.execute("SET preserve_insertion_order = false")
        with interrupted_by(stop, database):
            rows = database.execute(_STATEMENT, [literal(staged)])
        while batch := rows.fetchmany(chunk):
            yield batch


def _memory_mb(staged: Path) -> int:
    """Return what a sort needs: DuckDB keeps an account, in memory, of what it has on disk."""
    return 192 + staged.stat().st_size // 8_000_000


@contextmanager
def _sorting(folder: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.InterruptException:
        raise Stopped from None
    except duckdb.Error as error:
        raise SourceError(
            f"The rows to replay cannot be sorted in {folder.parent}: {first_line(error)}.",
            "Make room there, set TMPDIR to a folder that has some, or replay fewer files at once.",
        ) from error


@contextmanager
def interrupted_by(stop: Event, database: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Interrupt the statement that runs in the block when ``stop`` is set."""
    done = Event()

    def watch() -> None:
        while not done.wait(_PATIENCE):
            if stop.is_set():
                database.interrupt()

    watcher = Thread(target=watch, name="replay-sort-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()

"""Rows from Parquet files, read with DuckDB."""

import glob
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event

import duckdb

from stockctl.errors import SourceError
from stockctl.market.validation import InvalidQuote
from stockctl.sources.base import SourceStopped
from stockctl.sources.formats.fields import Columns, Values, find_columns, require_columns
from stockctl.sources.formats.files import FORMATS_HINT, Input

_THREADS = 2


def connect(folder: Path, memory_mb: int) -> duckdb.DuckDBPyConnection:
    """Return an empty database in memory that never loads an extension.

    It takes about ``memory_mb`` megabytes, and puts into ``folder`` what does not fit.
    """
    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{memory_mb}MB",
            "threads": _THREADS,
            "temp_directory": str(folder),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def literal(path: Path) -> str:
    """Return ``path`` as DuckDB's readers take it for the name of exactly one file."""
    return glob.escape(str(path))


def first_line(error: duckdb.Error) -> str:
    """Return what DuckDB says went wrong, without the statement it quotes."""
    return str(error).partition("\n")[0]


_FETCHED = 2000
_MEMORY_MB = 1024  # a row group is decompressed as a whole
_OPTIONS = "hive_partitioning = false, union_by_name = false"


class ParquetRows:
    """A Parquet file, each value as the shortest text that stands for it.

    A naive timestamp is a naive time, a timestamp with zone is in UTC, a date is a bare date; a float
    is the shortest decimal that reads as the same float.

    Args:
        source: the file.
        folder: a private folder; the file is read through a link in it, because DuckDB would expand
            patterns in the file's own name.
        index: tells this file from the others in ``folder``.
    """

    def __init__(self, source: Input, folder: Path, index: int) -> None:
        self._source = source
        self._folder = folder
        self._link = folder / f"input-{index}.parquet"
        self._link.symlink_to(source.path)
        self._columns: Columns | None = None

    @property
    def lacks_previous_close(self) -> bool:
        """Whether the file has no such column; known once the first row was read."""
        return self._columns is not None and not self._columns.has("previous_close")

    def rows(self, stop: Event) -> Iterator[tuple[Values | InvalidQuote, None]]:
        """Yield the values of each row, in the order of the file; there is no text.

        Raises:
            SourceError: the file cannot be read, is damaged, or a column that every quote needs is absent.
            Stopped: ``stop`` was set.
        """
        with self._reading(), closing(connect(self._folder, _MEMORY_MB)) as database:
            statement = self._statement(database)
            result = database.execute(statement, [literal(self._link)])
            while rows := result.fetchmany(_FETCHED):
                if stop.is_set():
                    raise SourceStopped
                for row in rows:
                    yield row, None

    def _statement(self, database: duckdb.DuckDBPyConnection) -> str:
        described = database.execute(
            f"DESCRIBE SELECT * FROM read_parquet(?, {_OPTIONS})", [literal(self._link)]
        ).fetchall()
        try:
            own_names = self._names(database)
            self._columns = find_columns(own_names)
            require_columns(self._columns, own_names)
        except InvalidQuote as reason:
            raise SourceError(
                f"{self._source.argument} cannot be replayed: {reason}.", FORMATS_HINT
            ) from None
        names = [name for name, *_ in described]
        cells = ", ".join(
            _text_of(names[position]) if position < len(names) else "''"
            for position in self._columns.positions
        )
        return f"SELECT {cells} FROM read_parquet(?, {_OPTIONS})"

    def _names(self, database: duckdb.DuckDBPyConnection) -> list[str]:
        """Return the columns' own names; DuckDB renames one that it takes for a second of its name."""
        schema = database.execute(
            "SELECT name, num_children FROM parquet_schema(?)", [literal(self._link)]
        ).fetchall()
        names = []
        inside = 0
        for name, children in schema[1:]:
            if not inside:
                names.append(name)
            inside = max(inside - 1, 0) + (children or 0)
        return names

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            reason = first_line(error).replace(str(self._link), self._source.argument).rstrip(".")
            raise SourceError(
                f"{self._source.argument} cannot be read as Parquet: {reason}.",
                "Fetch or write the file again; nothing of it was replayed.",
            ) from error


def _text_of(name: str) -> str:
    quoted = name.replace('"', '""')
    return f"coalesce(CAST(\"{quoted}\" AS VARCHAR), '')"

"""Rows from Parquet files, read with DuckDB."""

import glob
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event

import duckdb

from stockctl.errors import SourceError
from stockctl.market.errors import InvalidQuote
from stockctl.sources.base import SourceStopped
from stockctl.sources.formats.fields import Columns, Values, find_columns, require_columns
from stockctl.sources.formats.files import FORMATS_HINT, Input

_THREADS = 2


def connect(folder: Path, memory_mb: int) -> duckdb.DuckDBPyConnection:
    """Return an empty in-memory database that never loads an extension.

    It uses about ``memory_mb`` megabytes, and temporary files in ``folder`` for what does not fit.
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


def escape_path(path: Path) -> str:
    """Return ``path`` as a pattern for DuckDB that matches exactly this file."""
    return glob.escape(str(path))


def first_line(error: duckdb.Error) -> str:
    """Return the message of an error from DuckDB, without the statement."""
    return str(error).partition("\n")[0]


_FETCH_ROWS = 2000
_MEMORY_MB = 1024  # a row group is decompressed at once
_OPTIONS = "hive_partitioning = false, union_by_name = false"


class ParquetRows:
    """A Parquet file, with each value as a text.

    A naive timestamp stays naive, a timestamp with time zone is in UTC, a date has no time; a float is the
    shortest decimal number that is parsed to the same float.

    Args:
        source: the file.
        folder: a private folder; the file is read through a link in it, because DuckDB would expand
            patterns in the file's own name.
        index: the number of the file, for the name of the link.
    """

    def __init__(self, source: Input, folder: Path, index: int) -> None:
        self._source = source
        self._folder = folder
        self._link = folder / f"input-{index}.parquet"
        self._link.symlink_to(source.path)
        self._columns: Columns | None = None

    @property
    def lacks_previous_close(self) -> bool:
        """Whether the file has no such column; known after the first row was read."""
        return self._columns is not None and not self._columns.has("previous_close")

    def rows(self, stop: Event) -> Iterator[tuple[Values | InvalidQuote, None]]:
        """Yield the values of each row, in the order of the file; there is no text.

        Raises:
            SourceError: the file cannot be read, is damaged, or has no column for a required field.
            SourceStopped: ``stop`` was set.
        """
        with self._reading(), closing(connect(self._folder, _MEMORY_MB)) as database:
            statement = self._statement(database)
            result = database.execute(statement, [escape_path(self._link)])
            while rows := result.fetchmany(_FETCH_ROWS):
                if stop.is_set():
                    raise SourceStopped
                for row in rows:
                    yield row, None

    def _statement(self, database: duckdb.DuckDBPyConnection) -> str:
        described = database.execute(
            f"DESCRIBE SELECT * FROM read_parquet(?, {_OPTIONS})", [escape_path(self._link)]
        ).fetchall()
        try:
            names = self._names(database)
            self._columns = find_columns(names)
            require_columns(self._columns, names)
        except InvalidQuote as reason:
            raise SourceError(
                f"{self._source.argument} cannot be replayed: {reason}.", FORMATS_HINT
            ) from None
        columns = [name for name, *_ in described]
        cells = ", ".join(
            _text_of(columns[position]) if position < len(columns) else "''"
            for position in self._columns.positions
        )
        return f"SELECT {cells} FROM read_parquet(?, {_OPTIONS})"

    def _names(self, database: duckdb.DuckDBPyConnection) -> list[str]:
        """Return the names of the columns in the file; DuckDB renames duplicate ones."""
        schema = database.execute(
            "SELECT name, num_children FROM parquet_schema(?)", [escape_path(self._link)]
        ).fetchall()
        names = []
        nested = 0
        for name, children in schema[1:]:
            if not nested:
                names.append(name)
            nested = max(nested - 1, 0) + (children or 0)
        return names

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            reason = first_line(error).replace(str(self._link), self._source.argument).rstrip(".")
            raise SourceError(
                f"{self._source.argument} cannot be read as Parquet: {reason}.",
                "Download or write the file again; nothing of it was replayed.",
            ) from error


def _text_of(name: str) -> str:
    quoted = name.replace('"', '""')
    return f"coalesce(CAST(\"{quoted}\" AS VARCHAR), '')"

"""DuckDB as the replay uses it: within a private folder, in bounded memory, without a network."""

import glob
from pathlib import Path

import duckdb

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

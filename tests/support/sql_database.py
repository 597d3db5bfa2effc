"""The database behind SQL in tests, filled and locked, without the first wall in front of it."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from stockctl.backends.local.warehouse import DuckdbWarehouse


@contextmanager
def loaded(warehouse: DuckdbWarehouse) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection to the database as a statement meets it."""
    with warehouse._open() as connection:
        warehouse._load(connection)
        yield connection

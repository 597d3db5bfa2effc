"""Runs SQL over the raw archive with DuckDB."""

import json
import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import TypeVar

import duckdb

from stockctl.backends.local.database import Database
from stockctl.backends.local.home import Home, is_file, is_folder
from stockctl.errors import HomeError, QueryError
from stockctl.market.numbers import unique_fields
from stockctl.market.quote import MAX_RECORD_BYTES
from stockctl.pipeline.ports import SqlResult
from stockctl.sql.check import check_query, parameter_count
from stockctl.sql.duckdb import to_duckdb
from stockctl.sql.macros import MACROS
from stockctl.sql.schema import COLUMNS, DATABASE, TABLE
from stockctl.sql.values import json_value

Row = tuple[object, ...]

_LOG = logging.getLogger(__name__)
_LOGGED_OBJECTS = 5
_USUAL_BYTES = 1 << 12  # reading with a buffer for the largest object takes longer
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW


def read_rows(home: Home) -> Iterator[Row]:
    """Yield the fields of each raw object, in the order of ``COLUMNS``; unknown fields are skipped.

    A damaged object is skipped too, with a warning in the log: one bad file must not prevent an answer.

    Raises:
        HomeError: the archive cannot be listed.
    """
    damaged = 0
    for path in _objects(home):
        try:
            yield _row(_read(path))
        except (OSError, ValueError, OverflowError, RecursionError) as error:
            damaged += 1
            if damaged <= _LOGGED_OBJECTS:
                _LOG.warning("Skipped %s: %s.", path, _reason(error))
    if damaged > _LOGGED_OBJECTS:
        _LOG.warning("Skipped %d more damaged raw objects.", damaged - _LOGGED_OBJECTS)


def to_columns(rows: Sequence[Row]) -> list[list[object]]:
    """Return one or more rows as one list per column."""
    return [list(values) for values in zip(*rows, strict=True)]


def _objects(home: Home) -> Iterator[Path]:
    try:
        yield from home.archive_files()
    except OSError as error:
        raise HomeError(
            f"The raw archive of {home.root} cannot be read: {error.strerror or error} ({error.filename}).",
            "Check the permissions, and that no teardown is running.",
        ) from error


def _read(path: Path) -> bytes:
    handle = os.open(path, _FLAGS)
    try:
        body = os.read(handle, _USUAL_BYTES)
        if len(body) == _USUAL_BYTES:
            body += os.read(handle, MAX_RECORD_BYTES + 1 - _USUAL_BYTES)
        return body
    finally:
        os.close(handle)


def _row(body: bytes) -> Row:
    if not body:
        raise ValueError("it is empty: it is being written now, or its writer died")
    if len(body) > MAX_RECORD_BYTES:
        raise ValueError(f"it is larger than {MAX_RECORD_BYTES} bytes")
    fields = _DECODER.decode(body.decode("utf-8"))
    if type(fields) is not dict:
        raise ValueError("it is not a JSON object")
    take = fields.get
    return tuple([read(name, take(name)) for name, read in _READERS])


def _text(name: str, value: object) -> str | None:
    if value is None:
        return None
    if type(value) is not str:
        raise ValueError(f"its {name} is not text")
    if not value.isascii():
        value.encode("utf-8")  # raises for half a surrogate pair, which a database cannot store
    return value


def _double(name: str, value: object) -> float | None:
    if value is None:
        return None
    if type(value) is not float and type(value) is not int:
        raise ValueError(f"its {name} is not a number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"its {name} is not a finite number")
    return number


def _bigint(name: str, value: object) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        raise ValueError(f"its {name} is not a whole number of 64 bits")
    return value


def _required(read: Callable[[str, object], object]) -> Callable[[str, object], object]:
    def read_required(name: str, value: object) -> object:
        if value is None:
            raise ValueError(f"its {name} is missing")
        return read(name, value)

    return read_required


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, UnicodeError):
        return "it is not UTF-8 text"
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON: {error.msg} at character {error.pos}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, OverflowError):
        return "a number in it is too large"
    return str(error)


_READER = {"string": _text, "double": _double, "bigint": _bigint}
_REQUIRED = ("symbol", "timestamp", "price", "source")
_READERS = [
    (name, _required(_READER[kind]) if name in _REQUIRED else _READER[kind]) for name, kind in COLUMNS
]
_DECODER = json.JSONDecoder(object_pairs_hook=unique_fields)


MAX_ROWS = 1_000_000
"""The maximum number of rows in a result, which is kept in memory."""
_BATCH = 10_000
_INTERRUPT_SECONDS = 0.05
_TYPES = {"string": "VARCHAR", "double": "DOUBLE", "bigint": "BIGINT"}
_SANDBOX: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "temp_directory": "",  # SQL could write to a folder for temporary files
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",
    "memory_limit": "2GB",
    "integer_division": "true",
}

_Result = TypeVar("_Result")


class DuckdbWarehouse:
    """Runs SQL on the raw objects that exist when the query starts."""

    last_scan = None
    """Reading local files costs nothing."""

    def __init__(self, home: Home, *, database: str = DATABASE, table: str = TABLE) -> None:
        self._home = home
        self._database = database
        self._table = table

    def query(self, sql: str, parameters: Sequence[object] = ()) -> SqlResult:
        """Run one query in Athena's SQL on the table; each ``?`` takes a parameter, in order.

        A ``KeyboardInterrupt`` ends the query at once.

        Raises:
            QueryError: the statement is refused or fails, or its result has more than ``MAX_ROWS`` rows.
            HomeError: the data folder is missing or cannot be read.
        """
        tree = check_query(sql, database=self._database, table=self._table)
        if (wanted := parameter_count(tree)) != len(parameters):
            raise QueryError(
                f"The statement has {wanted} parameters (?), but {len(parameters)} values were given.",
                "Give one value for each ?.",
            )
        statement = to_duckdb(tree)
        with _translate_errors(), self._open() as connection:
            _interruptible(connection, lambda: _check(connection, statement, bind=not parameters))
            self._load(connection)
            return _interruptible(connection, lambda: _run(connection, statement, parameters))

    @contextmanager
    def _open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        self._check_home()
        connection = duckdb.connect(":memory:", config=_SANDBOX)
        try:
            _interruptible(connection, lambda: self._prepare(connection))
            yield connection
        finally:
            connection.close()

    def _check_home(self) -> None:
        # An archive kept by a teardown with --keep-data can still be queried.
        if is_file(self._home.database) or not is_folder(self._home.archive):
            Database(self._home.database).close()

    def _prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        # Even without external access DuckDB lets SQL write files that it considers its own, such as one
        # named ":memory:" in the current folder.
        connection.execute("SET disabled_filesystems = 'LocalFileSystem'")
        connection.execute("SET TimeZone = 'UTC'")
        for macro in MACROS:
            connection.execute(macro)
        columns = ", ".join(f"{_quoted(name)} {_TYPES[kind]}" for name, kind in COLUMNS)
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_quoted(self._database)}")
        connection.execute(f"CREATE TABLE {self._name()} ({columns})")
        connection.execute("SET lock_configuration = true")

    def _load(self, connection: duckdb.DuckDBPyConnection) -> None:
        values = ", ".join(f"unnest(?::{_TYPES[kind]}[])" for _, kind in COLUMNS)
        insert = f"INSERT INTO {self._name()} SELECT {values}"
        rows = read_rows(self._home)
        while batch := list(islice(rows, _BATCH)):
            _interruptible(connection, partial(connection.execute, insert, to_columns(batch)))

    def _name(self) -> str:
        return f"{_quoted(self._database)}.{_quoted(self._table)}"


def _interruptible(connection: duckdb.DuckDBPyConnection, work: Callable[[], _Result]) -> _Result:
    # DuckDB checks for signals rarely and drops the KeyboardInterrupt. While it works in another thread, this
    # one can be interrupted and stop it.
    running: Future[_Result] = Future()
    try:
        Thread(target=_execute, args=(running, work), name="sql").start()
        return running.result()
    finally:
        # Ctrl-C may come at any point, even before the work has started.
        if not running.cancel():
            while not running.done():
                connection.interrupt()
                wait([running], timeout=_INTERRUPT_SECONDS)


def _execute(running: Future[_Result], work: Callable[[], _Result]) -> None:
    if not running.set_running_or_notify_cancel():
        return
    try:
        running.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised again when the result is read
        running.set_exception(error)


def _check(connection: duckdb.DuckDBPyConnection, statement: str, *, bind: bool) -> None:
    """Check the statement before the files are read, which takes much longer."""
    kinds = [parsed.type for parsed in connection.extract_statements(statement)]
    if kinds != [duckdb.StatementType.SELECT]:
        raise QueryError("The statement is refused: the database does not see exactly one query in it.")
    if bind:
        connection.execute(f"PREPARE statement AS {statement}")
        connection.execute("DEALLOCATE statement")


def _run(connection: duckdb.DuckDBPyConnection, statement: str, parameters: Sequence[object]) -> SqlResult:
    connection.execute(statement, list(parameters))
    names = [column[0] for column in connection.description or ()]
    rows: list[list[object]] = []
    while batch := connection.fetchmany(_BATCH):
        rows.extend([json_value(value) for value in row] for row in batch)
        if len(rows) > MAX_ROWS:
            raise QueryError(f"The result has more than {MAX_ROWS} rows.", "Add a LIMIT, or aggregate.")
    return SqlResult(names, rows)


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise _query_error(error) from error


def _query_error(error: duckdb.Error) -> QueryError:
    message = str(error).strip().splitlines()[0]
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryError(
            f"The query needs more than {_SANDBOX['memory_limit']} of memory.",
            "Narrow it with WHERE, or aggregate.",
        )
    hint = None
    if isinstance(error, (duckdb.BinderException, duckdb.CatalogException)):
        hint = f"The columns are {', '.join(name for name, _ in COLUMNS)}."
    return QueryError(f"The query failed. {message}", hint)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

"""The second wall alone: hostile SQL straight into the locked database, as if there were no first wall."""

import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from stockctl.backends.local import warehouse as warehouse_module
from stockctl.backends.local.home import Home
from stockctl.backends.local.warehouse import DuckdbWarehouse
from stockctl.errors import QueryError
from support.sql_database import loaded

SECRET = "the-secret-content"
QUOTE = b'{"symbol":"GOOD","timestamp":"2019-02-11T14:31:00.000Z","price":1.5,"source":"replay"}'

READS = [
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM read_text(['{secret}'])",
    "SELECT * FROM read_blob('{secret}')",
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM read_json('{secret}')",
    "SELECT * FROM read_parquet('{secret}')",
    "SELECT * FROM '{secret}'",
    "SELECT * FROM 'secret.csv'",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM sniff_csv('{secret}')",
    "SELECT * FROM parquet_metadata('{secret}')",
    "SELECT * FROM query('SELECT * FROM read_text(''{secret}'')')",
    "SELECT * FROM query_table('secret.csv')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM read_text(''{secret}'')'))",
    "CREATE VIEW v AS SELECT * FROM read_text('{secret}')",
    "CREATE TABLE t AS SELECT * FROM read_text('{secret}')",
    "INSERT INTO stock_data_db.stock_data_table (symbol) SELECT content FROM read_text('{secret}')",
    "COPY stock_data_db.stock_data_table FROM '{secret}'",
    "IMPORT DATABASE '{folder}'",
    "ATTACH '{folder}/some.db' AS x (READ_ONLY)",
    "SELECT * FROM read_text('{home}/raw-data/GOOD/2019-02-11T14-31-00.000Z.json')",
    "SELECT * FROM read_text('/proc/self/environ')",
    "SELECT * FROM read_csv('/dev/stdin')",
    "SELECT getenv('HOME')",
]
WRITES = [
    "COPY stock_data_db.stock_data_table TO '{folder}/new.csv'",
    "COPY (SELECT 1) TO 'new.parquet' (FORMAT parquet)",
    "COPY (SELECT 1) TO '{home}/raw-data/GOOD/2020-01-01T00-00-00.000Z.json'",
    "COPY (SELECT 1) TO ':memory:'",
    "COPY (SELECT 1) TO '{folder}/:memory:.wal'",
    "COPY (SELECT 1) TO '/dev/stdout'",
    "PREPARE p AS COPY (SELECT 1) TO 'new.csv'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO 'new.csv'",
    "EXPORT DATABASE '{folder}/dump'",
    "ATTACH '{folder}/new.db'",
    "ATTACH 'new.db' AS x",
    "CREATE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'x')",
    "INSTALL httpfs",
    "INSTALL '{folder}/x.duckdb_extension'",
    "LOAD httpfs",
    "LOAD '{secret}'",
    "UPDATE EXTENSIONS",
    "CALL start_ui()",
]
NETWORK = [
    "SELECT * FROM read_text('http://127.0.0.1:{port}/x')",
    "SELECT * FROM 'http://127.0.0.1:{port}/x.csv'",
    "SELECT * FROM read_parquet('https://127.0.0.1:{port}/x.parquet')",
    "SELECT * FROM 's3://127.0.0.1:{port}/x.parquet'",
    "ATTACH 'http://127.0.0.1:{port}/x.db' AS x",
    "COPY (SELECT 1) TO 'http://127.0.0.1:{port}/x'",
    "INSTALL x FROM 'http://127.0.0.1:{port}'",
]
SETTINGS = [
    "SET enable_external_access = true",
    "RESET enable_external_access",
    "SET lock_configuration = false",
    "SET allowed_directories = ['{folder}']",
    "SET allowed_paths = ['{secret}']",
    "SET temp_directory = '{folder}'",
    "SET memory_limit = '1TB'",
    "SET autoload_known_extensions = true",
    "SET autoinstall_known_extensions = true",
    "SET python_enable_replacements = true",
    "SET allow_persistent_secrets = true",
    "SET secret_directory = '{folder}'",
    "SET home_directory = '{folder}'",
    "SET log_query_path = '{folder}/log'",
    "PRAGMA profile_output = '{folder}/profile'",
    "SET TimeZone = 'America/New_York'",
    "SET integer_division = false",
]


class Sandbox(NamedTuple):
    """A locked database, and the folders that hostile SQL would like to get at."""

    connection: duckdb.DuckDBPyConnection
    top: Path
    """All below it is watched; the current folder and the user's own are there."""

    def attempt(self, sql: str, **values: object) -> str:
        """Run hostile SQL and return the error it met."""
        folder = self.top / "here"
        text = sql.format(secret=folder / "secret.csv", folder=folder, home=self.top / "home", **values)
        with pytest.raises(duckdb.Error) as caught:
            self.connection.execute(text).fetchall()
        return str(caught.value)

    def files(self) -> dict[str, bytes]:
        """Return each file below the top and its content."""
        paths = (Path(base) / name for base, _, names in os.walk(self.top) for name in names)
        return {str(path): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The database of a home with one quote, in a current folder that holds a secret."""
    top = tmp_path_factory.mktemp("sandbox")
    home = make_home(top / "home")
    folder = top / "here"
    folder.mkdir()
    (folder / "secret.csv").write_text(SECRET)
    duckdb.connect(str(folder / "some.db")).close()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HOME", str(top / "user"))
        with loaded(DuckdbWarehouse(home)) as connection:
            yield Sandbox(connection, top)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with one quote."""
    return make_home(tmp_path)


def make_home(root: Path) -> Home:
    """Lay one quote into a new home."""
    home = Home(root)
    path = home.archive / "GOOD" / "2019-02-11T14-31-00.000Z.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(QUOTE)
    return home


@pytest.fixture
def server() -> Iterator[tuple[int, list[str]]]:
    """A loopback server that notes each request."""
    requests: list[str] = []

    class Noting(http.server.BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            requests.append(repr(self.client_address))

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Noting) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running.server_port, requests
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("sql", READS)
def test_no_file_can_be_read(sandbox: Sandbox, sql: str) -> None:
    """Not by a function, a name, a copy or an attachment; not even the files of the home itself."""
    assert SECRET not in sandbox.attempt(sql)
    rows = sandbox.connection.execute("SELECT symbol FROM stock_data_db.stock_data_table").fetchall()
    assert rows == [("GOOD",)]


@pytest.mark.parametrize("sql", WRITES)
def test_no_file_can_be_written(sandbox: Sandbox, sql: str) -> None:
    """Every file is as it was, and there is none more, also in the user's own folder."""
    before = sandbox.files()
    sandbox.attempt(sql)
    assert sandbox.files() == before
    assert not (sandbox.top / "user").exists()


@pytest.mark.slow
@pytest.mark.parametrize("sql", NETWORK)
def test_the_network_cannot_be_reached(sandbox: Sandbox, server: tuple[int, list[str]], sql: str) -> None:
    """No request arrives."""
    port, requests = server
    sandbox.attempt(sql, port=port)
    assert requests == []


@pytest.mark.parametrize("sql", SETTINGS)
def test_no_setting_can_be_changed(sandbox: Sandbox, sql: str) -> None:
    """The configuration is locked, and stays as it is."""
    settings = "SELECT name, value FROM duckdb_settings() ORDER BY name"
    before = sandbox.connection.execute(settings).fetchall()
    assert "the configuration has been locked" in sandbox.attempt(sql)
    assert sandbox.connection.execute(settings).fetchall() == before


def test_there_is_no_folder_that_sql_may_touch(sandbox: Sandbox) -> None:
    """Neither an allowed one nor one for spilling."""
    names = ("allowed_directories", "temp_directory", "enable_external_access")
    values = [sandbox.connection.execute(f"SELECT current_setting('{name}')").fetchall() for name in names]
    assert values == [[([],)], [("",)], [(False,)]]


def test_variables_of_the_program_are_not_tables(sandbox: Sandbox) -> None:
    """DuckDB would find a relation of this function by its name, if it were let."""
    stolen = sandbox.connection.sql("SELECT 42 AS answer")
    assert stolen.fetchall() == [(42,)]
    with pytest.raises(duckdb.CatalogException, match="stolen"):
        sandbox.connection.execute("SELECT * FROM stolen")


def test_what_a_statement_leaves_behind_is_gone_with_it(home: Home) -> None:
    """A dropped table is back for the next query: each has a database of its own."""
    warehouse = DuckdbWarehouse(home)
    with loaded(warehouse) as connection:
        connection.execute("DROP TABLE stock_data_db.stock_data_table")
        connection.execute("CREATE TABLE x AS SELECT 1")
    assert warehouse.query("SELECT symbol FROM stock_data_table").rows == [["GOOD"]]


@pytest.mark.parametrize(
    "statement",
    ["SELECT 1; SELECT 2", "CREATE TABLE x AS SELECT 1", "DROP TABLE x", "SET threads = 1"],
)
def test_the_database_must_see_one_query_too(
    home: Home, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """Should a translation ever be something else, it does not run."""
    monkeypatch.setattr(warehouse_module, "to_duckdb", lambda tree: statement)
    with pytest.raises(QueryError, match="does not see exactly one query"):
        DuckdbWarehouse(home).query("SELECT 1")

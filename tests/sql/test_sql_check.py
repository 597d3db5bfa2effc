"""The first wall: which statements pass, which are refused, and what a person is told."""

import json
import string
from collections.abc import Callable, Iterator

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp
from sqlglot.parsers.trino import TrinoParser

from stockctl.errors import QueryError
from stockctl.sql.athena import to_athena
from stockctl.sql.check import FUNCTION_NAMES, check_query, parameter_count
from stockctl.sql.duckdb import to_duckdb
from stockctl.sql.parser import MAX_BYTES

ACCEPTED = [
    "SELECT symbol, price, previous_close, (price - previous_close) AS price_change FROM stock_data_table "
    "ORDER BY price_change DESC LIMIT 5",
    "SELECT 1",
    "SELECT 1;",
    "SELECT 1 ; ;",
    "; SELECT 1",
    "-- the newest\nSELECT max(timestamp) FROM stock_data_table -- end",
    "/* a */ SELECT /* b */ 1 /* c */; -- d",
    "(SELECT 1)",
    "((SELECT price FROM stock_data_table) UNION ALL (SELECT 2))",
    "VALUES (1, 'a'), (2, 'b')",
    "TABLE stock_data_table",
    "select * from STOCK_DATA_TABLE",
    'SELECT "price" FROM "Stock_Data_Table"',
    "SELECT * FROM stock_data_db.stock_data_table",
    "SELECT * FROM AwsDataCatalog.stock_data_db.stock_data_table AS t",
    'SELECT "awsdatacatalog"."stock_data_db"."stock_data_table"."price" FROM stock_data_table',
    "SELECT stock_data_table.price FROM stock_data_table",
    "SELECT t.* FROM stock_data_table AS t",
    "SELECT * FROM (SELECT * FROM stock_data_table) AS t",
    "SELECT * FROM (stock_data_table)",
    "SELECT * FROM stock_data_table a JOIN stock_data_table b ON a.symbol = b.symbol",
    "SELECT * FROM stock_data_table a, stock_data_table b LEFT JOIN stock_data_table c USING (symbol)",
    "SELECT 1 UNION SELECT 2 INTERSECT SELECT 3 EXCEPT SELECT 4",
    "WITH a AS (SELECT 1 AS x), b AS (SELECT x FROM a) SELECT * FROM b",
    "WITH a (x) AS (VALUES 1) SELECT x FROM A",
    "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r",
    "WITH a AS (SELECT 1 AS x) SELECT (SELECT max(x) FROM a) FROM stock_data_table",
    "WITH a AS (WITH b AS (SELECT 1 AS x) SELECT * FROM b) SELECT * FROM a",
    "WITH stock_data_table AS (SELECT 1 AS x) SELECT x FROM stock_data_table",
    "SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) AS t",
    "WITH a AS (SELECT 1 AS x) SELECT * FROM a UNION SELECT * FROM a",
    "SELECT * FROM UNNEST(ARRAY[1, 2]) AS t (x)",
    "SELECT * FROM stock_data_table CROSS JOIN UNNEST(ARRAY[open, high]) WITH ORDINALITY AS t (x, n)",
    "SELECT * FROM stock_data_table t CROSS JOIN LATERAL (SELECT t.price + 1) AS u (x)",
    "SELECT * FROM (VALUES (1, 2)) AS t (a, b)",
    "SELECT symbol FROM stock_data_table WHERE symbol IN (SELECT symbol FROM stock_data_table)",
    "SELECT symbol FROM stock_data_table WHERE EXISTS (SELECT 1) AND symbol LIKE 'A!_%' ESCAPE '!'",
    "SELECT symbol, count(*) FROM stock_data_table GROUP BY 1 HAVING count(*) > 1 ORDER BY 2 DESC NULLS LAST",
    "SELECT symbol, grouping(symbol) FROM stock_data_table GROUP BY GROUPING SETS ((source), (symbol))",
    "SELECT symbol FROM stock_data_table GROUP BY ROLLUP (symbol)",
    "SELECT symbol FROM stock_data_table GROUP BY CUBE (symbol)",
    "SELECT symbol FROM stock_data_table OFFSET 2 ROWS FETCH FIRST 5 ROWS ONLY",
    "SELECT symbol FROM stock_data_table LIMIT ALL",
    "SELECT sum(price) OVER w FROM stock_data_table WINDOW w AS (PARTITION BY symbol)",
    "SELECT lag(price) OVER (PARTITION BY symbol ORDER BY timestamp) FROM stock_data_table",
    "SELECT * FROM stock_data_table TABLESAMPLE BERNOULLI (50)",
    "SELECT symbol FROM stock_data_table WHERE symbol = ? AND price > ? LIMIT ?",
    "SELECT 'it''s; DROP TABLE x', 'read_csv(''a'')' FROM stock_data_table",
    "SELECT timestamp, open, high, low, source, volume FROM stock_data_table WHERE timestamp > '2008'",
]

_FIRST = {"RESET SESSION x": "RESET SESSION", "DEALLOCATE PREPARE p": "DEALLOCATE PREPARE"}
REFUSED = [
    # nothing, or not one statement
    ("", "no SQL statement"),
    ("   \n\t ", "no SQL statement"),
    (";;", "no SQL statement"),
    ("-- nothing", "no SQL statement"),
    ("/* nothing */", "no SQL statement"),
    ("SELECT 1; SELECT 2", "more than one statement: the second starts at line 1, column 11"),
    ("SELECT 1;\nDROP TABLE stock_data_table", "the second starts at line 2, column 1"),
    ("SELECT 1; -- x\n; DELETE FROM stock_data_table", "more than one statement"),
    # no query
    *[
        (sql, f"{_FIRST.get(sql, sql.split()[0])} is not allowed: only queries can be run here")
        for sql in (
            "EXPLAIN SELECT 1",
            "EXPLAIN ANALYZE SELECT 1",
            "SHOW TABLES",
            "DESCRIBE stock_data_table",
            "PRAGMA version",
            "SET memory_limit = '1TB'",
            "RESET SESSION x",
            "ATTACH 'x.db' AS x",
            "DETACH x",
            "COPY stock_data_table TO 'x.csv'",
            "EXPORT DATABASE 'x'",
            "IMPORT DATABASE 'x'",
            "INSTALL httpfs",
            "LOAD httpfs",
            "CALL enable_logging()",
            "USE memory",
            "CREATE TABLE x AS SELECT 1",
            "CREATE EXTERNAL TABLE x (a int) LOCATION 's3://b/'",
            "CREATE MACRO f(x) AS x",
            "DROP TABLE stock_data_table",
            "ALTER TABLE stock_data_table ADD COLUMN x int",
            "TRUNCATE TABLE stock_data_table",
            "INSERT INTO stock_data_table VALUES (1)",
            "UPDATE stock_data_table SET price = 1",
            "DELETE FROM stock_data_table",
            "MERGE INTO stock_data_table USING x ON true",
            "UNLOAD (SELECT 1) TO 's3://b/' WITH (format = 'JSON')",
            "MSCK REPAIR TABLE stock_data_table",
            "VACUUM",
            "ANALYZE stock_data_table",
            "CHECKPOINT",
            "BEGIN",
            "COMMIT",
            "GRANT SELECT ON x TO y",
            "PREPARE p FROM SELECT 1",
            "EXECUTE p",
            "DEALLOCATE PREPARE p",
            "SUMMARIZE stock_data_table",
            "PIVOT stock_data_table ON symbol",
            "FROM stock_data_table",
            "HELLO",
        )
    ],
    ("1 + 1", "'1' is not allowed: only queries"),
    ("'abc'", "'abc' is not allowed: only queries"),
    (".read x.sql", "'.' is not allowed: only queries"),
    # another thing to read
    ("SELECT * FROM secrets", "The table 'secrets' (line 1, column 15) cannot be read"),
    ("SELECT * FROM other.stock_data_table", "'other.stock_data_table'"),
    ("SELECT * FROM hive.stock_data_db.stock_data_table", "'hive.stock_data_db.stock_data_table'"),
    ("SELECT * FROM a.b.c.stock_data_table", "is not allowed in FROM"),
    ("SELECT * FROM information_schema.tables", "'information_schema.tables'"),
    ("SELECT * FROM duckdb_settings", "'duckdb_settings'"),
    ("SELECT * FROM sqlite_master", "'sqlite_master'"),
    ("SELECT * FROM 'prices.csv'", "The table 'prices.csv' (line 1, column 15) cannot be read"),
    ('SELECT * FROM "prices.csv"', "The table 'prices.csv'"),
    ("SELECT * FROM '/etc/passwd'", "The table '/etc/passwd'"),
    ('SELECT * FROM "https://example.org/x.parquet"', "The table 'https://example.org/x.parquet'"),
    ("SELECT * FROM 's3://bucket/*.json' AS stock_data_table", "The table 's3://bucket/*.json'"),
    ("SELECT 1 FROM stock_data_table, secrets", "'secrets'"),
    ("SELECT 1 FROM stock_data_table JOIN secrets ON true", "'secrets'"),
    ("SELECT 1 FROM (secrets)", "'secrets'"),
    ("SELECT 1 FROM (SELECT 1 FROM secrets) t", "'secrets'"),
    ("SELECT 1 FROM stock_data_table WHERE price > (SELECT max(x) FROM secrets)", "'secrets'"),
    ("SELECT 1 LIMIT (SELECT count(*) FROM secrets)", "'secrets'"),
    ("SELECT 1 UNION ALL SELECT * FROM secrets", "'secrets'"),
    ("TABLE secrets", "'secrets'"),
    ("SELECT * FROM (SHOW TABLES)", "cannot be read"),
    ("SELECT * FROM (DESCRIBE stock_data_table)", "DESCRIBE is not allowed"),
    # WITH reaches no further than it does
    ("SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) t, a", "The table 'a'"),
    ("WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a", "The table 'b'"),
    ("WITH a AS (SELECT * FROM a) SELECT * FROM a", "The table 'a'"),
    ("WITH a AS (WITH b AS (SELECT 1) SELECT * FROM b) SELECT * FROM b", "The table 'b'"),
    ("(WITH a AS (SELECT 1) SELECT * FROM a) UNION SELECT * FROM a", "The table 'a'"),
    ("WITH a AS (SELECT 1) SELECT * FROM x.a", "The table 'x.a'"),
    ("WITH secrets AS (DELETE FROM x RETURNING *) SELECT * FROM secrets", "DELETE is not allowed"),
    ("WITH a AS (INSERT INTO x VALUES (1)) SELECT 1", "INSERT is not allowed"),
    # table functions
    (
        "SELECT * FROM read_csv('x.csv')",
        "read_csv (line 1, column 15) is not allowed in FROM: the only allowed table function",
    ),
    ("SELECT * FROM read_csv_auto('x.csv')", "read_csv_auto"),
    ("SELECT * FROM read_json('x.json')", "read_json"),
    ("SELECT * FROM read_parquet(ARRAY['x'])", "read_parquet"),
    ("SELECT * FROM read_text('/etc/passwd')", "read_text"),
    ("SELECT * FROM read_blob('/etc/passwd')", "read_blob"),
    ("SELECT * FROM query('SELECT 1')", "query"),
    ("SELECT * FROM query_table('x.csv')", "query_table"),
    ("SELECT * FROM glob('*')", "glob"),
    ("SELECT * FROM system.main.read_text('x')", "read_text"),
    ("SELECT * FROM \"read_text\"('x')", "read_text"),
    ("SELECT * FROM range(10)", "range"),
    ("SELECT * FROM sequence(1, 3)", "sequence"),
    ("SELECT * FROM TABLE(sequence(1, 3))", "table"),
    ("SELECT * FROM duckdb_settings()", "duckdb_settings"),
    ("SELECT * FROM pragma_version()", "pragma_version"),
    ("SELECT * FROM stock_data_table, LATERAL read_text(symbol)", "read_text"),
    ("SELECT * FROM UNNEST(read_text('x'))", "The function read_text"),
    # functions
    *[
        (
            f"SELECT {call}",
            f"The function {call.split('(', maxsplit=1)[0]} (line 1, column 8) is not supported",
        )
        for call in (
            "getenv('HOME')",
            "current_setting('home_directory')",
            "getvariable('x')",
            "nextval('x')",
            "currval('x')",
            "pg_typeof(1)",
            "read_text('x')",
            "query('x')",
            "version()",
            "txid_current()",
            "write_log('x')",
            "json_serialize_sql('SELECT 1')",
            "error('x')",
            "sleep(5)",
            "load_extension('x')",
            "lambda_invoke('x')",
            "current_database()",
            "soundex('Robert')",
        )
    ],
    ("SELECT current_user", "The function current_user"),
    ("SELECT current_catalog", "The function current_catalog"),
    ("SELECT 'x.csv'.read_text()", "not supported"),
    ("SELECT main.getenv('HOME') FROM stock_data_table", "The function getenv"),
    ("SELECT \"getenv\"('HOME')", "The function getenv"),
    ("SELECT GetEnv ('HOME')", "The function getenv"),
    ("SELECT COLUMNS('price') FROM stock_data_table", "The function columns"),
    ("SELECT abs(/* sqlglot.anonymous */ getenv('x'))", "The function getenv"),
    ("SELECT max(price) FILTER (WHERE getenv('x') = '') FROM stock_data_table", "The function getenv"),
    ("SELECT * FROM stock_data_table ORDER BY getenv('x')", "The function getenv"),
    # syntax that a query does not need, or that other engines have
    ("SELECT * INTO x FROM stock_data_table", "SELECT ... INTO is not allowed"),
    ("SELECT * FROM stock_data_table FOR UPDATE", "FOR UPDATE is not allowed"),
    ("SELECT * FROM stock_data_table FOR VERSION AS OF 1", "VERSION is not allowed on a table"),
    ("SELECT * FROM stock_data_table FOR SYSTEM_TIME AS OF now()", "VERSION is not allowed on a table"),
    (
        "SELECT * FROM stock_data_table PIVOT (sum(price) FOR symbol IN ('A'))",
        "PIVOTS is not allowed on a table",
    ),
    ("SELECT @x", "A variable is not allowed"),
    ("SELECT @@x", "A variable is not allowed"),
    ("SELECT :name", "':name' is not allowed"),
    ("SELECT {'a': 1}", "{ at line 1, column 8 is not part of Athena's SQL"),
    ("SELECT CAST('pg_class' AS regclass)", "at 'regclass'"),
    ("SELECT CAST('x' AS uuid)", "'UUID' is not allowed"),
    ("SELECT X'414243'", "HEX STRING (line 1, column 8) is not allowed"),
    # text that would reach the generated SQL without quotes
    (
        "SELECT date_add('day) FROM evil --', 1, timestamp) FROM stock_data_table",
        "is not allowed at this position",
    ),
    (
        "SELECT date_diff('day) FROM evil --', timestamp, timestamp) FROM stock_data_table",
        "is not allowed at",
    ),
    (
        "SELECT date_trunc('day) FROM evil --', timestamp) FROM stock_data_table",
        "is not allowed at this position",
    ),
    (
        "SELECT json_extract_scalar(source, '$[\"a'') FROM evil --\"]') FROM stock_data_table",
        "is not allowed at",
    ),
    (
        "SELECT extract('day FROM current_date) FROM evil --' FROM now())",
        "The field of extract must be one of",
    ),
    ("SELECT INTERVAL '1 FROM' DAY", "'FROM' is not allowed at this position"),
    ("SELECT extract(epoch FROM now())", "'EPOCH' is not allowed at this position"),
    ("SELECT date_diff('fortnight', now(), now())", "'FORTNIGHT' is not allowed at this position"),
    # what cannot be read
    ("SELECT json_extract(source, '$.a[') FROM stock_data_table", "The JSON path '$.a[' cannot be parsed"),
    ("SELECT json_extract(source, '\"[() x\"[(') FROM stock_data_table", "too few arguments or an"),
    ("SELECT if() FROM stock_data_table", "The SQL cannot be parsed"),
    ("SELECT 1 +", "The SQL cannot be parsed at line 1, column 10, at '+': something is missing"),
    (
        "SELECT price\nFROM stock_data_table\nWHERE (price > 1",
        "The SQL cannot be parsed at line 3, column 16",
    ),
    ("SELECT a b c FROM stock_data_table", "line 1, column 12, at 'c'"),
    ("SELECT 'abc", "ends inside a text, a name or a comment: Missing ' from 1:"),
    ('SELECT "abc', 'Missing "'),
    ("SELECT /* abc", "ends inside a text, a name or a comment"),
    ("SELECT 1\0", "The control character '\\x00' at line 1, column 9 is not allowed"),
    ("SELECT 1,\n \x1b[31m2", "The control character '\\x1b' at line 2, column 2 is not allowed"),
]


Relations = Callable[[str], set[str]]


@pytest.fixture(scope="module")
def relations() -> Iterator[Relations]:
    """Tell what a statement reads, CTEs aside, as DuckDB's own parser sees it.

    Nothing, when DuckDB cannot parse the statement: then it cannot run it either.
    """
    with duckdb.connect() as connection:

        def read(sql: str) -> set[str]:
            found = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
            tree = json.loads(found[0])
            assert tree["error"] or len(tree["statements"]) == 1
            return set(_relations(tree, frozenset()))

        yield read


def _relations(node: object, ctes: frozenset[str]) -> Iterator[str]:
    if isinstance(node, list):
        for child in node:
            yield from _relations(child, ctes)
    elif isinstance(node, dict):
        inner = ctes | {entry["key"].lower() for entry in node.get("cte_map", {}).get("map", ())}
        if node.get("type") == "BASE_TABLE" and (
            node["schema_name"] or node["table_name"].lower() not in inner
        ):
            yield f"{node['schema_name']}.{node['table_name']}"
        if node.get("type") == "TABLE_FUNCTION" and node["function"]["function_name"] != "unnest":
            yield node["function"]["function_name"]
        for child in node.values():
            yield from _relations(child, inner)


def translated_or_refused(sql: str) -> tuple[str, QueryError | None]:
    """Return the translation of a statement, or nothing and the error."""
    try:
        return to_duckdb(check_query(sql)), None
    except QueryError as error:
        return "", error


@pytest.mark.parametrize("sql", ACCEPTED)
def test_a_query_over_the_table_is_accepted(relations: Relations, sql: str) -> None:
    """What reads only the table, its own CTEs, subqueries, VALUES and UNNEST passes and translates."""
    assert relations(to_duckdb(check_query(sql))) <= {"stock_data_db.stock_data_table"}


@pytest.mark.parametrize(("sql", "told"), REFUSED)
def test_what_is_not_a_query_over_the_table_is_refused(sql: str, told: str) -> None:
    """A refusal says what and why in one line, and what to do."""
    with pytest.raises(QueryError) as caught:
        to_duckdb(check_query(sql))
    assert told in caught.value.message
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300
    assert caught.value.hint


def test_there_are_enough_hostile_statements() -> None:
    """The list above is not cut down unnoticed."""
    assert len(REFUSED) > 120


def test_the_names_of_database_and_table_can_be_configured() -> None:
    """Configured names are read, and the default ones no longer."""
    tree = check_query("SELECT * FROM Quotes", database="my-db", table="quotes")
    assert '"my-db"."quotes"' in to_duckdb(tree)
    with pytest.raises(QueryError, match="The table 'stock_data_table'") as caught:
        check_query("SELECT * FROM stock_data_table", database="my-db", table="quotes")
    assert "Allowed in FROM: quotes" in str(caught.value.hint)


def test_a_table_that_with_defines_hides_the_real_one_only_without_its_database() -> None:
    """An unqualified name means the CTE; a qualified one is always the archive."""
    tree = check_query(
        "WITH stock_data_table AS (SELECT 1 AS x) "
        "SELECT a.x, b.price FROM stock_data_table AS a, stock_data_db.stock_data_table AS b"
    )
    translated = to_duckdb(tree)
    assert 'FROM "stock_data_table" AS "a"' in translated
    assert '"stock_data_db"."stock_data_table" AS "b"' in translated


def test_parameters_keep_their_places_when_the_translation_moves_them() -> None:
    """OFFSET ? LIMIT ? becomes LIMIT $3 OFFSET $2."""
    tree = check_query(
        "SELECT date_diff('day', DATE '2019-01-01', ?) /* ? */ FROM stock_data_table OFFSET ? LIMIT ?"
    )
    assert parameter_count(tree) == 3
    assert to_duckdb(tree).endswith("LIMIT $3 OFFSET $2")


@pytest.mark.slow
@pytest.mark.parametrize("depth", [20, 99, 101, 5000])
@pytest.mark.parametrize(
    ("opening", "inside", "closing"),
    [
        ("(", "1", ")"),
        ("abs(", "1", ")"),
        ("ARRAY[", "1", "]"),
        ("CASE WHEN true THEN ", "1", " END"),
        ("NOT ", "true", ""),
        ("- ", "1", ""),
        ("CAST(", "1", " AS integer)"),
        ("x IN (", "1", ")"),
        ("(SELECT ", "1", ")"),
        ("transform(ARRAY[1], x -> ", "1", ")"),
    ],
)
def test_nesting_is_refused_or_translated_but_never_a_crash(
    depth: int, opening: str, inside: str, closing: str
) -> None:
    """However deep a statement is, a person gets an answer or a QueryError, and soon."""
    sql = "SELECT " + opening * depth + inside + closing * depth
    translated, error = translated_or_refused(sql)
    if error is None:
        assert translated.startswith("SELECT ")
    else:
        assert depth > 20 or "[" in opening
        assert "nested too deeply" in error.message
        assert "WITH" in str(error.hint)


def test_eight_arrays_inside_each_other_are_enough(relations: Relations) -> None:
    """More would take the parser minutes; nobody needs as many."""
    assert relations(to_duckdb(check_query("SELECT " + "ARRAY[" * 8 + "1" + "]" * 8))) == set()
    with pytest.raises(QueryError, match="nested too deeply at line 1, column 61"):
        check_query("SELECT " + "ARRAY[" * 9 + "1" + "]" * 9)


@pytest.mark.slow
@pytest.mark.parametrize("argument", ["price", "'$['"])
@pytest.mark.parametrize("count", range(5))
def test_no_number_of_arguments_is_a_crash(count: int, argument: str) -> None:
    """Each function that the parser knows or we allow, with too few and too many arguments."""
    for name in sorted(FUNCTION_NAMES | {name.lower() for name in TrinoParser.FUNCTIONS}):
        call = f"{name}({', '.join([argument] * count)})"
        _, error = translated_or_refused(f"SELECT {call} FROM stock_data_table")
        assert error is None or error.message.isprintable()


def test_the_parser_writes_nothing_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """What it makes of a statement is told in the refusal, and there alone."""
    for sql in ("SELECT json_extract(source, '$.a[') FROM t", "ALTER TABLE x", "SELECT 1; GRANT x TO y"):
        assert translated_or_refused(sql)[1]
    assert not caplog.records


def test_a_huge_statement_is_refused() -> None:
    """Athena's own limit holds here too."""
    with pytest.raises(QueryError, match=f"the limit is {MAX_BYTES}"):
        check_query("SELECT " + "1, " * MAX_BYTES + "1")


def test_a_long_statement_passes() -> None:
    """A list of a thousand symbols is no problem."""
    symbols = ", ".join(f"'S{number}'" for number in range(1000))
    conditions = " OR ".join(f"price > {number}" for number in range(500))
    sql = f"SELECT * FROM stock_data_table WHERE symbol IN ({symbols}) AND ({conditions})"
    assert "'S999'" in to_duckdb(check_query(sql))


_WORDS = [
    "SELECT",
    "FROM",
    "WHERE",
    "stock_data_table",
    "secrets",
    "'x.csv'",
    '"x.csv"',
    "read_text('x')",
    "(",
    ")",
    ",",
    "WITH",
    "AS",
    "a",
    "UNION",
    "JOIN",
    "ON",
    "true",
    "1",
    "*",
    "UNNEST",
    "LATERAL",
    "VALUES",
    "TABLE",
    "price",
    "max(",
    "ORDER BY",
    "LIMIT",
    "?",
    ";",
    "--",
    "/*",
    "*/",
    "'",
    '"',
    "INTERVAL",
    "'1'",
    "DAY",
    "CAST(",
    "x -> ",
    "[",
    "]",
    "PIVOT",
    "INTO",
    "FOR",
    "DROP",
    "COPY",
    ".",
    "::",
    "{",
    "}",
    "@",
    "$1",
    "getenv('x')",
    "OVER",
    "query('x')",
]


@pytest.mark.slow
@given(sql=st.lists(st.sampled_from(_WORDS), max_size=25).map(" ".join))
@settings(max_examples=400, deadline=None)
def test_no_mixture_of_words_gets_past_the_wall(relations: Relations, sql: str) -> None:
    """Whatever is accepted reads the one table, seen with the eyes of DuckDB's own parser."""
    translated, error = translated_or_refused(sql)
    if error is not None:
        assert error.message.isprintable()
        return
    assert relations(translated) <= {"stock_data_db.stock_data_table"}


_GOOD = [
    "stock_data_table",
    "stock_data_db.Stock_Data_Table",
    "(VALUES (1))",
    "(SELECT 1 AS price)",
]
_BAD = [
    "secrets",
    "'x.csv'",
    '"x.csv"',
    "read_text('x')",
    "main.stock_data_table",
    "query('SELECT 1')",
    "glob('*')",
]
_SHAPES = [
    "SELECT * FROM {0}",
    "SELECT max(price) FROM {0}, {1}",
    "SELECT 1 FROM {0} AS x JOIN {1} AS y ON true",
    "SELECT 1 FROM {0} WHERE 1 IN (SELECT price FROM {1})",
    "SELECT price FROM {0} UNION ALL SELECT price FROM {1}",
    "SELECT (SELECT max(price) FROM {0}) FROM {1}",
    "WITH c AS (SELECT * FROM {0}) SELECT * FROM c, {1}",
    "WITH c AS (SELECT * FROM {0}), d AS (SELECT * FROM c, {1}) SELECT * FROM d",
    "SELECT * FROM {0} LEFT JOIN LATERAL (SELECT * FROM {1}) AS z ON true ORDER BY 1",
]
_RELATIONS = st.recursive(
    st.sampled_from(_GOOD) | st.sampled_from(_BAD),
    lambda inner: st.builds(
        lambda shape, a, b: f"({shape.format(a, b)})", st.sampled_from(_SHAPES), inner, inner
    ),
    max_leaves=6,
)


@pytest.mark.slow
@given(shape=st.sampled_from(_SHAPES), one=_RELATIONS, other=_RELATIONS)
@settings(max_examples=300, deadline=None)
def test_a_statement_passes_just_when_each_relation_in_it_may_be_read(
    relations: Relations, shape: str, one: str, other: str
) -> None:
    """However deep a forbidden relation is hidden, it is found; and nothing is refused without one."""
    parts = one if "{1}" not in shape else one + other
    translated, error = translated_or_refused(shape.format(one, other))
    if any(bad in parts for bad in _BAD):
        assert error is not None
        reasons = ("cannot be parsed", "cannot be read", "is not allowed in FROM")
        assert any(reason in error.message for reason in reasons)
    else:
        assert error is None
        assert relations(translated) <= {"stock_data_db.stock_data_table"}


@given(st.text(alphabet=string.printable + "é€\0\ud800", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_answered_with_a_query_error_or_a_tree(text: str) -> None:
    """No text whatever raises anything but a QueryError."""
    _, error = translated_or_refused("SELECT " + text)
    assert error is None or error.message.isprintable()


_EVIL = st.builds(
    lambda word, quote, tail: word + quote + tail + quote,
    st.sampled_from(["", "day", "YEAR", "1", "a", "$.a", "%Y", "yyyy", "UTC", "2019-01-01"]),
    st.text(alphabet="'\"\\;)(-*/ $\n%[].{}:", max_size=5),
    st.sampled_from(
        [") FROM evil --", " FROM current_date) FROM evil --", ", 1) FROM evil --", " FROM evil --"]
    ),
)
_CALLS = [
    "date_add({0}, 1, {0})",
    "date_trunc({0}, {0})",
    "date_diff({0}, {0}, {0})",
    "date_format(current_date, {0})",
    "date_parse({0}, {0})",
    "format_datetime(current_date, {0})",
    "parse_datetime({0}, {0})",
    "format({0}, {0})",
    "json_extract({0}, {0})",
    "json_extract_scalar({0}, {0})",
    "regexp_extract({0}, {0})",
    "regexp_like({0}, {0})",
    "regexp_replace({0}, {0}, {0})",
    "split_part({0}, {0}, 1)",
    "at_timezone(current_timestamp, {0})",
    "DATE {0}",
    "current_timestamp AT TIME ZONE {0}",
    "INTERVAL {0} DAY",
    "TIMESTAMP {0}",
    "extract({0} FROM current_date)",
    "trim(BOTH {0} FROM {0})",
    "listagg({0}, {0}) WITHIN GROUP (ORDER BY {0})",
    "{0} LIKE {0} ESCAPE {0}",
    "{0} AS {1}",
    "CAST({0} AS varchar)",
    "from_unixtime(0, {0})",
    "ARRAY[{0}]",
    "MAP(ARRAY[{0}], ARRAY[{0}])",
    "{1}.{1}",
    "{1}({0})",
    "concat_ws({0}, {0})",
    "lpad({0}, 1, {0})",
    "strpos({0}, {0})",
    "translate({0}, {0}, {0})",
    "INTERVAL '1' {0}",
]


@pytest.mark.slow
@given(call=st.sampled_from(_CALLS), evil=_EVIL)
@settings(max_examples=500, deadline=None)
def test_no_text_or_name_breaks_out_of_its_quotes(relations: Relations, call: str, evil: str) -> None:
    """A hostile text is refused or stays a text, wherever a function takes one."""
    text = "'" + evil.replace("'", "''") + "'"
    name = '"' + evil.replace('"', '""') + '"'
    sql = f"SELECT {call.format(text, name)}"
    translated, error = translated_or_refused(sql)
    if error is None:
        assert not relations(translated)
        again = check_query(to_athena(check_query(sql)).text)
        assert again.find(exp.Table) is None

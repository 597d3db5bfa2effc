"""What Athena's functions answer on DuckDB: each case is an expression and what Athena's reference says."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import duckdb
import pytest
from sqlglot import exp

from stockctl.backends.local.home import Home
from stockctl.backends.local.warehouse import DuckdbWarehouse
from stockctl.errors import QueryError
from stockctl.sql.check import FUNCTION_NAMES, FUNCTIONS, check_query
from stockctl.sql.duckdb import to_duckdb
from stockctl.sql.values import json_value
from support.sql_database import loaded

MONDAY = "DATE '2019-02-11'"
NOON = "TIMESTAMP '2019-02-11 14:31:05.250'"
BAR = "from_iso8601_timestamp('2019-02-11T14:31:00.000Z')"

SCALARS: list[tuple[str, object]] = [
    # conditions
    ("coalesce(NULL, 2)", 2),
    ("nullif(1, 1)", None),
    ("if(1 > 0, 'a', 'b')", "a"),
    ("if(1 < 0, 'a')", None),
    ("CASE WHEN true AND 1 = 1 OR false THEN 1 ELSE 2 END", 1),
    ("CASE 2 WHEN 1 THEN 'x' WHEN 2 THEN 'y' END", "y"),
    ("greatest(1, 3, 2)", 3),
    ("least(1, 3, 2)", 1),
    ("1 BETWEEN 0 AND 2", True),
    ("NULL IS DISTINCT FROM 1", True),
    ("NOT EXISTS (SELECT 1 WHERE false)", True),
    ("2 = ANY (VALUES 1, 2)", True),
    ("1 < ALL (VALUES 2, 3)", True),
    ("3 IN (1, 2)", False),
    ("(SELECT max(x) FROM (VALUES 1, 2) AS t (x))", 2),
    ("typeof(1.5E0)", "double"),
    # casts
    ("try(CAST('x' AS integer))", None),
    ("try_cast('x' AS double)", None),
    ("try_cast('12' AS bigint)", 12),
    ("CAST('1.5' AS double)", 1.5),
    ("CAST(1.25 AS decimal(10, 2))", 1.25),
    ("CAST(7 AS decimal(10, 0))", 7),
    ("CAST(1 AS varchar)", "1"),
    ("CAST(2.5 AS varchar(10))", "2.5"),
    ("CAST('true' AS boolean)", True),
    ("CAST('2019-02-11' AS date)", "2019-02-11"),
    ("CAST('2019-02-11 14:31:00' AS timestamp)", "2019-02-11T14:31:00.000"),
    ("CAST(ROW(1, 'a') AS ROW(x integer, y varchar)).x", 1),
    # numbers; whole numbers divide to whole numbers
    ("5 / 2", 2),
    ("-5 / 2", -2),
    ("5.0E0 / 2", 2.5),
    ("5 / 2.0E0", 2.5),
    ("7 % 3", 1),
    ("-7 % 3", -1),
    ("1 / 0", None),
    ("7 % 0", None),
    ("1E0 / 0", None),
    ("1E0 / 0e0", None),
    ("1E0 / 0.00E5", None),
    ("1E0 / -0e0", None),
    ("1E0 / 1E-400", None),
    ("7 % 0e0", None),
    ("1E0 / 20e-1", 0.5),
    ("abs(-1.5)", 1.5),
    ("sign(-3)", -1),
    ("ceil(1.2)", 2),
    ("ceiling(1.2)", 2),
    ("floor(-1.2)", -2),
    ("round(2.5)", 3),
    ("round(-2.5)", -3),
    ("round(1.23456, 2)", 1.23),
    ("truncate(-1.9)", -1),
    ("mod(7, 3)", 1),
    ("power(2, 10)", 1024.0),
    ("pow(2, 3)", 8.0),
    ("sqrt(9)", 3.0),
    ("round(cbrt(27), 8)", 3.0),
    ("exp(0)", 1.0),
    ("ln(1)", 0.0),
    ("log(2, 8)", 3.0),
    ("log2(8)", 3.0),
    ("log10(100)", 2.0),
    ("round(pi(), 4)", 3.1416),
    ("round(e(), 4)", 2.7183),
    ("random() < 1 AND rand() >= 0", True),
    ("degrees(0) + radians(0) + sin(0) + tan(0) + asin(0) + atan(0) + atan2(0, 1) + sinh(0) + tanh(0)", 0.0),
    ("cos(0) + cosh(0) + acos(1)", 2.0),
    ("is_nan(nan())", True),
    ("is_finite(1.0E0)", True),
    ("is_infinite(infinity())", True),
    ("nan()", None),
    ("infinity()", None),
    ("width_bucket(5, 0, 10, 5)", 3),
    ("width_bucket(-1, 0, 10, 5)", 0),
    ("width_bucket(10, 0, 10, 5)", 6),
    ("bitwise_and(6, 3)", 2),
    ("bitwise_or(6, 3)", 7),
    ("bitwise_xor(6, 3)", 5),
    ("bitwise_not(0)", -1),
    # text
    ("length('abc')", 3),
    ("lower('AbC') || upper('d')", "abcD"),
    ("substr('abcdef', 2, 3)", "bcd"),
    ("substr('abcdef', -2)", "ef"),
    ("substring('abcdef', 2)", "bcdef"),
    ("substring('abcdef' FROM 2 FOR 2)", "bc"),
    ("concat('a', 'b', 'c')", "abc"),
    ("concat_ws(',', 'a', 'b')", "a,b"),
    ("trim('  a ') || ltrim('  b') || rtrim('c  ')", "abc"),
    ("trim(LEADING 'x' FROM 'xxa')", "a"),
    ("lpad('7', 3, '0')", "007"),
    ("rpad('7', 3, '0')", "700"),
    ("replace('abc', 'b', 'x')", "axc"),
    ("replace('abc', 'b')", "ac"),
    ("reverse('abc')", "cba"),
    ("translate('abcd', 'a', 'z')", "zbcd"),
    ("strpos('abcabc', 'c')", 3),
    ("position('b' IN 'abc')", 2),
    ("split_part('a-b-c', '-', 2)", "b"),
    ("split('a-b-c', '-')", '["a", "b", "c"]'),
    ("starts_with('abc', 'ab') AND ends_with('abc', 'bc')", True),
    ("chr(65)", "A"),
    ("codepoint('A')", 65),
    ("levenshtein_distance('kitten', 'sitting')", 3),
    ("'a_c' LIKE 'a!_c' ESCAPE '!'", True),
    ("format('%.2f', 1.234E0)", "1.23"),
    ("format('%s is %d, %s', 'x', 5, 5)", "x is 5, 5"),
    ("format('%,d', 1234567)", "1,234,567"),
    ("format('100%% 100000 %d', 1)", "100% 100000 1"),
    ("format('%-4s|%03d|%5.1f%%', 'a', 7, 2.25E0)", "a   |007|  2.2%"),
    ("regexp_like('abc123', '\\d+')", True),
    ("regexp_extract('abc123', '[a-z]+')", "abc"),
    ("regexp_extract('abc123', '([a-z]+)(\\d+)', 2)", "123"),
    ("regexp_extract('abc', '\\d+')", None),
    ("regexp_extract_all('a1b2', '\\d')", '["1", "2"]'),
    ("regexp_replace('a1b2', '\\d')", "ab"),
    ("regexp_replace('a1b2', '(\\d)', '<$1>')", "a<1>b<2>"),
    ("regexp_replace('a1', '\\d', '\\$\\\\')", "a$\\"),
    ("regexp_split('a1b2c', '\\d')", '["a", "b", "c"]'),
    ("regexp_count('a1b2', '\\d')", 2),
    ("json_extract_scalar('{\"a\": {\"b\": 5}}', '$.a.b')", "5"),
    ("json_extract_scalar('[7, 8]', '$[1]')", "8"),
    ("json_extract('{\"a\": [1,2]}', '$.a')", "[1,2]"),
    ("json_array_length('[1,2]')", 2),
    ("json_format(json_parse('[1]'))", "[1]"),
    # moments
    (MONDAY, "2019-02-11"),
    (NOON, "2019-02-11T14:31:05.250"),
    (BAR, "2019-02-11T14:31:00.000Z"),
    ("TIMESTAMP '2019-02-11 14:31:00 UTC'", "2019-02-11T14:31:00.000Z"),
    ("from_iso8601_timestamp('2019-02-11T14:31:00+01:00')", "2019-02-11T13:31:00.000Z"),
    ("from_iso8601_date('2019-02-11')", "2019-02-11"),
    ("date('2019-02-11')", "2019-02-11"),
    ("current_date > DATE '2019-01-01'", True),
    (f"current_timestamp > {BAR} AND now() > {BAR} AND localtimestamp > {NOON}", True),
    (f"to_iso8601({MONDAY})", "2019-02-11"),
    (f"to_iso8601({NOON})", "2019-02-11T14:31:05.250"),
    (f"to_iso8601({BAR})", "2019-02-11T14:31:00.000Z"),
    (f"date_trunc('day', {BAR})", "2019-02-11T00:00:00.000Z"),
    (f"date_trunc('hour', {NOON})", "2019-02-11T14:00:00.000"),
    (f"date_trunc('month', {MONDAY})", "2019-02-01"),
    ("date_trunc('week', DATE '2019-02-14')", "2019-02-11"),
    (f"date_format({BAR}, '%Y-%m-%d %H:%i:%s')", "2019-02-11 14:31:00"),
    (f"date_format({NOON}, '%W %M %e %h %p')", "Monday February 11 02 PM"),
    ("date_parse('2019-02-11 14:31', '%Y-%m-%d %H:%i')", "2019-02-11T14:31:00.000"),
    (f"format_datetime({NOON}, 'yyyy-MM-dd HH:mm:ss')", "2019-02-11 14:31:05"),
    ("parse_datetime('11.02.2019', 'dd.MM.yyyy')", "2019-02-11T00:00:00.000Z"),
    (f"date_diff('day', {MONDAY}, DATE '2019-02-15')", 4),
    (f"date_diff('minute', {BAR}, from_iso8601_timestamp('2019-02-11T15:00:00Z'))", 29),
    ("date_diff('hour', TIMESTAMP '2019-02-11 10:30:00', TIMESTAMP '2019-02-11 12:00:00')", 1),
    ("date_diff('day', TIMESTAMP '2019-02-11 23:00:00', TIMESTAMP '2019-02-12 01:00:00')", 0),
    ("date_diff('month', DATE '2019-01-31', DATE '2019-02-28')", 1),
    ("date_add('day', 1, DATE '2019-02-28')", "2019-03-01"),
    (f"date_add('minute', -30, {NOON})", "2019-02-11T14:01:05.250"),
    (f"date_add('hour', 1 + 1, {BAR})", "2019-02-11T16:31:00.000Z"),
    (f"{MONDAY} + INTERVAL '1' DAY", "2019-02-12"),
    (f"INTERVAL '1' DAY + {MONDAY}", "2019-02-12"),
    (f"{MONDAY} - INTERVAL '1' MONTH", "2019-01-11"),
    (f"date_trunc('month', {MONDAY} + INTERVAL '1' MONTH)", "2019-03-01"),
    (f"{BAR} - INTERVAL '90' MINUTE", "2019-02-11T13:01:00.000Z"),
    ("INTERVAL '36' HOUR", "1 12:00:00.000"),
    (f"extract(year FROM {MONDAY}) + extract(hour FROM {BAR})", 2033),
    (f"extract(day_of_week FROM {MONDAY}) + extract(doy FROM {MONDAY})", 43),
    (f"year({MONDAY}) * 100 + month({MONDAY})", 201902),
    (f"quarter({MONDAY}) * 100 + week({MONDAY}) + week_of_year({MONDAY})", 114),
    (f"day({MONDAY}) + day_of_month({MONDAY})", 22),
    ("day_of_week(DATE '2019-02-17') * 10 + dow(DATE '2019-02-18')", 71),
    (f"day_of_year({MONDAY}) + doy({MONDAY})", 84),
    ("year_of_week(DATE '2019-12-31') - yow(DATE '2019-12-31')", 0),
    (f"hour({NOON}) * 10000 + minute({NOON}) * 100 + second({NOON})", 143105),
    (f"millisecond({NOON})", 250),
    (f"last_day_of_month({MONDAY})", "2019-02-28"),
    (f"to_unixtime({BAR})", 1549895460.0),
    ("from_unixtime(1549895460.5E0)", "2019-02-11T14:31:00.500Z"),
    (f"date({BAR} AT TIME ZONE 'Asia/Tokyo')", "2019-02-11"),
    (f"hour({BAR} AT TIME ZONE 'America/New_York')", 9),
    (f"hour({NOON} AT TIME ZONE 'America/New_York')", 9),
    (f"hour(at_timezone({BAR}, 'America/New_York'))", 9),
    (f"with_timezone({NOON}, 'America/New_York')", "2019-02-11T19:31:05.250Z"),
    (f"CAST({BAR} AS date)", "2019-02-11"),
    # arrays, maps, rows
    ("ARRAY[1, 2][1]", 1),
    ("element_at(ARRAY[1, 2], 2)", 2),
    ("element_at(ARRAY[1, 2], 5)", None),
    ("element_at(ARRAY[1, 2], -1)", 2),
    ("cardinality(ARRAY[1, 2])", 2),
    ("array_join(ARRAY['a', 'b'], '-')", "a-b"),
    ("array_join(ARRAY['a', NULL], '-', 'x')", "a-x"),
    ("contains(ARRAY[1, 2], 2)", True),
    ("array_max(ARRAY[1, 3, 2]) - array_min(ARRAY[1, 3, 2])", 2),
    ("array_distinct(ARRAY[1, 1])", "[1]"),
    ("array_sort(ARRAY[3, 1, 2])", "[1, 2, 3]"),
    ("array_position(ARRAY[5, 6], 6)", 2),
    ("array_position(ARRAY[5, 6], 7)", 0),
    ("array_remove(ARRAY[1, 2], 1)", "[2]"),
    ("array_sort(array_union(ARRAY[1, 3], ARRAY[2, 3]))", "[1, 2, 3]"),
    ("array_intersect(ARRAY[1, 2], ARRAY[2])", "[2]"),
    ("array_except(ARRAY[1, 2], ARRAY[2])", "[1]"),
    ("arrays_overlap(ARRAY[1], ARRAY[1, 2])", True),
    ("slice(ARRAY[1, 2, 3], 2, 2)", "[2, 3]"),
    ("slice(ARRAY[1, 2, 3], -2, 5)", "[2, 3]"),
    ("sequence(1, 3)", "[1, 2, 3]"),
    ("sequence(3, 1)", "[3, 2, 1]"),
    ("sequence(1, 10, 4)", "[1, 5, 9]"),
    ("sequence(DATE '2019-02-27', DATE '2019-03-01')", '["2019-02-27", "2019-02-28", "2019-03-01"]'),
    ("cardinality(sequence(1, 10000))", 10000),
    ("flatten(ARRAY[ARRAY[1], ARRAY[2]])", "[1, 2]"),
    ("concat(ARRAY[1], ARRAY[2])", "[1, 2]"),
    ("ARRAY[1] || ARRAY[2]", "[1, 2]"),
    ("repeat('a', 2)", '["a", "a"]'),
    ("transform(ARRAY[1, 2], x -> x * 2)", "[2, 4]"),
    ("filter(ARRAY[1, 2], x -> x > 1)", "[2]"),
    ("any_match(ARRAY[1, 2], x -> x > 1)", True),
    ("all_match(ARRAY[1, 2], x -> x > 1)", False),
    ("none_match(ARRAY[1, 2], x -> x > 5)", True),
    ("map(ARRAY['a'], ARRAY[1])", '{"a": 1}'),
    ("element_at(map(ARRAY['a'], ARRAY[1]), 'a')", 1),
    ("map(ARRAY['a'], ARRAY[1])['a']", 1),
    ("map_keys(map(ARRAY['a'], ARRAY[1]))", '["a"]'),
    ("map_values(map(ARRAY['a'], ARRAY[1]))", "[1]"),
    ("cardinality(map_entries(map(ARRAY['a'], ARRAY[1])))", 1),
    ("map_from_entries(ARRAY[ROW('a', 1)])", '{"a": 1}'),
    ("map_concat(map(ARRAY['a'], ARRAY[1]), map(ARRAY['b'], ARRAY[2]))", '{"a": 1, "b": 2}'),
    ("(SELECT sum(n * x) FROM UNNEST(ARRAY[5, 6]) WITH ORDINALITY AS t (x, n))", 17),
]

# over (a, 1), (a, 2), (b, 3), (b, NULL)
AGGREGATES: list[tuple[str, object]] = [
    ("count(*)", 4),
    ("count(x)", 3),
    ("count(DISTINCT k)", 2),
    ("count_if(x > 1)", 2),
    ("sum(x) FILTER (WHERE k = 'a')", 3),
    ("avg(x)", 2.0),
    ("avg(x) / 3 * 3", 2.0),
    ("sum(x) / count(*)", 1),
    ("min(x) + max(x)", 4),
    ("max_by(k, x) || min_by(k, x)", "ba"),
    ("max(x, 2)", "[3, 2]"),
    ("arbitrary(1) + any_value(1)", 2),
    ("bool_and(x > 0) AND every(x > 0)", True),
    ("bool_or(x > 2)", True),
    ("array_agg(x ORDER BY x DESC)", "[3, 2, 1, null]"),
    ("array_agg(x) FILTER (WHERE x > 1)", "[2, 3]"),
    ("listagg(k, ',') WITHIN GROUP (ORDER BY k)", "a,a,b,b"),
    ("approx_distinct(k)", 2),
    ("approx_percentile(x, 0.5)", 2),
    ("approx_percentile(x, ARRAY[0.0, 1.0])", "[1, 3]"),
    ("stddev(x) + stddev_samp(x)", 2.0),
    ("round(stddev_pop(x), 8)", 0.81649658),
    ("variance(x) + var_samp(x)", 2.0),
    ("round(var_pop(x), 8)", 0.66666667),
    ("round(corr(x, 2 * x), 8)", 1.0),
    ("round(covar_samp(x, x) + covar_pop(x, x), 8)", 1.66666667),
    ("round(regr_slope(x, x) + regr_intercept(x, x), 8)", 1.0),
    ("round(geometric_mean(x), 8)", 1.81712059),
    ("histogram(k)", '{"a": 2, "b": 2}'),
    ("cardinality(map_values(map_agg(coalesce(x, 9), k)))", 4),
    ("bitwise_and_agg(x) * 10 + bitwise_or_agg(x)", 3),
    ("(SELECT max(g) FROM (SELECT grouping(k) AS g FROM rows GROUP BY ROLLUP (k)) AS t) + count(*)", 5),
]

WINDOWS: list[tuple[str, Sequence[object]]] = [
    ("lag(x) OVER (ORDER BY x)", [None, 1, 2, 3]),
    ("lag(x, 2, 0) OVER (ORDER BY x)", [0, 0, 1, 2]),
    ("lag(x) IGNORE NULLS OVER (ORDER BY x)", [None, 1, 2, 3]),
    ("lead(x) OVER (ORDER BY x)", [2, 3, None, None]),
    ("row_number() OVER (ORDER BY x)", [1, 2, 3, 4]),
    ("rank() OVER (ORDER BY k)", [1, 1, 3, 3]),
    ("dense_rank() OVER (ORDER BY k)", [1, 1, 2, 2]),
    ("percent_rank() OVER (ORDER BY x)", [0.0, 1 / 3, 2 / 3, 1.0]),
    ("cume_dist() OVER (ORDER BY k)", [0.5, 0.5, 1.0, 1.0]),
    ("ntile(2) OVER (ORDER BY x)", [1, 1, 2, 2]),
    ("first_value(x) OVER (PARTITION BY k ORDER BY x)", [1, 1, 3, 3]),
    (
        "last_value(x) OVER (ORDER BY x ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
        [None, None, None, None],
    ),
    (
        "nth_value(x, 2) OVER (ORDER BY x ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
        [2, 2, 2, 2],
    ),
    ("avg(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)", [1.0, 1.5, 2.5, 3.0]),
    ("sum(x) OVER w", [1, 3, 3, 3]),
]
_ROWS = "WITH rows (k, x) AS (VALUES ('a', 1), ('a', 2), ('b', 3), ('b', CAST(NULL AS integer))) "

NOT_ANSWERED = [
    ("regexp_replace('a', 'a', k)", "The replacement of regexp_replace must be a string"),
    ("approx_percentile(x, 2, 0.5)", "approx_percentile with a weight"),
    ("format_datetime(current_timestamp, k)", "The pattern of a date must be a string"),
    ("at_timezone(current_timestamp)", "at_timezone needs two arguments"),
]
FAILING = [
    ("sequence(1, 10001)", "sequence and repeat return at most 10000 entries"),
    ("sequence(1, 100000000000)", "sequence and repeat return at most 10000 entries"),
    ("repeat('a', 100000000000)", "sequence and repeat return at most 10000 entries"),
    ("length(rpad('x', 2000000000, 'y'))", "lpad and rpad return at most 10000 characters"),
    ("length(lpad('x', 10001, 'y'))", "lpad and rpad return at most 10000 characters"),
    ("format('%300000000d', 1)", "format allows widths of at most 9999"),
    ("format('a %.100000f', 1.5)", "format allows widths of at most 9999"),
    ("format('%' || '*d', 300000000, 1)", "format allows widths of at most 9999"),
    ("CAST('x' AS integer)", "Could not convert string 'x'"),
]

Run = Callable[[str], list[list[object]]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Run one statement of Athena's on the locked database of an empty archive."""
    home = Home(tmp_path_factory.mktemp("home"))
    home.archive.mkdir()
    with loaded(DuckdbWarehouse(home)) as connection:

        def run_one(sql: str) -> list[list[object]]:
            rows = connection.execute(to_duckdb(check_query(sql))).fetchall()
            return [[json_value(value) for value in row] for row in rows]

        yield run_one


@pytest.mark.parametrize(("expression", "expected"), SCALARS, ids=[case[0] for case in SCALARS])
def test_a_scalar_expression_means_what_it_means_in_athena(
    run: Run, expression: str, expected: object
) -> None:
    """Value and type of the answer are those of Athena."""
    [[answer]] = run(f"SELECT {expression}")
    assert answer == expected
    assert type(answer) is type(expected)


@pytest.mark.parametrize(("expression", "expected"), AGGREGATES, ids=[case[0] for case in AGGREGATES])
def test_an_aggregate_means_what_it_means_in_athena(run: Run, expression: str, expected: object) -> None:
    """Value and type of the answer are those of Athena."""
    [[answer]] = run(f"{_ROWS} SELECT {expression} FROM rows")
    assert answer == expected
    assert type(answer) is type(expected)


@pytest.mark.parametrize(("expression", "expected"), WINDOWS, ids=[case[0] for case in WINDOWS])
def test_a_window_function_means_what_it_means_in_athena(
    run: Run, expression: str, expected: Sequence[object]
) -> None:
    """Each row has the answer that Athena gives it."""
    window = "WINDOW w AS (PARTITION BY k ORDER BY x)" if expression.endswith(" w") else ""
    rows = run(f"{_ROWS} SELECT {expression} FROM rows {window} ORDER BY k, x")
    assert [row[0] for row in rows] == expected


@pytest.mark.parametrize(("expression", "told"), NOT_ANSWERED)
def test_what_has_no_counterpart_is_said_before_it_runs(run: Run, expression: str, told: str) -> None:
    """No answer is better than a wrong one."""
    with pytest.raises(QueryError, match=told):
        run(f"{_ROWS} SELECT {expression} FROM rows")


@pytest.mark.parametrize(("expression", "told"), FAILING)
def test_what_fails_in_athena_fails_here(run: Run, expression: str, told: str) -> None:
    """A list too long or a cast of nonsense is an error, and no memory is spent on it."""
    with pytest.raises(duckdb.Error, match=told):
        run(f"SELECT {expression}")


def test_every_function_that_is_allowed_has_a_case_here() -> None:
    """A function is in the vocabulary only with proof of what it answers."""
    windowed = [(expression + " FROM rows WINDOW w AS ()", None) for expression, _ in WINDOWS]
    tried = SCALARS + AGGREGATES + windowed
    nodes = [node for expression, _ in tried for node in check_query(f"{_ROWS} SELECT {expression}").walk()]
    classes = {type(node).__name__ for node in nodes if isinstance(node, exp.Func)} - {"Anonymous"}
    names = {node.name.lower() for node in nodes if isinstance(node, exp.Anonymous)}
    # What the parser of another release has no class for is known by its name too.
    other_releases = {"array_distinct", "array_except", "array_max", "array_min", "array_position"}
    other_releases |= {"from_iso8601_date", "truncate"}
    assert classes == FUNCTIONS
    assert names | other_releases == FUNCTION_NAMES


def test_columns_without_a_name_are_called_as_athena_calls_them(run: Run, tmp_path: Path) -> None:
    """_col0, _col1 by place; a column keeps its own name, and after a star nothing is renamed."""
    home = Home(tmp_path)
    home.archive.mkdir()
    warehouse = DuckdbWarehouse(home)
    sql = "SELECT max(price), symbol, CAST(symbol AS varchar), 1 AS one FROM stock_data_table GROUP BY symbol"
    assert warehouse.query(sql).columns == ["_col0", "symbol", "_col2", "one"]
    assert warehouse.query(f"({sql}) UNION {sql}").columns == ["_col0", "symbol", "_col2", "one"]
    starred = warehouse.query("SELECT t.*, 1 AS one FROM (SELECT symbol FROM stock_data_table) AS t")
    assert starred.columns == ["symbol", "one"]

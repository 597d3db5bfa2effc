"""The predefined queries: their headers, and top-movers against an independent computation on real data."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlglot import exp

from stockctl.backends.local.archive import FileArchive
from stockctl.backends.local.home import Home
from stockctl.backends.local.warehouse import DuckdbWarehouse
from stockctl.errors import QueryError
from stockctl.pipeline.ports import RawObject
from stockctl.sql import catalog
from stockctl.sql.catalog import PredefinedQuery, predefined_query
from stockctl.sql.check import check_query, parameter_count
from support.real_data import daily, wire
from support.sql_database import loaded

QUERIES = catalog.predefined_queries()
BY = ("percent", "change")
DIRECTIONS = ("up", "down", "both")


@pytest.mark.parametrize("query", QUERIES, ids=[query.name for query in QUERIES])
def test_a_predefined_query_is_described_and_passes_the_wall(query: PredefinedQuery) -> None:
    """One sentence, a description for each parameter, and nothing that a user could not have asked."""
    assert re.fullmatch(r"[A-Z].+\.", query.description)
    assert parameter_count(check_query(query.sql)) == len(query.parameters)
    assert all(parameter.description for parameter in query.parameters)
    assert (Path(catalog.__file__).parent / f"{query.name}.sql").read_text("utf-8") == query.sql


@pytest.mark.parametrize("query", QUERIES, ids=[query.name for query in QUERIES])
def test_parameters_stand_where_athena_takes_them(query: PredefinedQuery) -> None:
    """In a WHERE, and outside of comments, which some drivers search for question marks."""
    for placeholder in check_query(query.sql).find_all(exp.Placeholder):
        assert placeholder.find_ancestor(exp.Where, exp.Select).key == "where"
    assert query.sql.count("?") == len(query.parameters)
    assert not re.search(r"--.*[?';]", query.sql)


def test_the_catalog_is_sorted_and_an_unknown_name_is_refused_with_the_known_ones() -> None:
    """A person who mistypes a name is told which there are."""
    assert [query.name for query in QUERIES] == sorted(query.name for query in QUERIES)
    with pytest.raises(QueryError, match="There is no predefined query 'top-mover'") as caught:
        predefined_query("top-mover")
    assert "top-movers" in str(caught.value.hint)


def test_the_parameters_of_top_movers_are_documented_in_their_order() -> None:
    """The order in which ``query`` takes the values."""
    assert [parameter.name for parameter in predefined_query("top-movers").parameters] == [
        "by",
        "direction",
        "limit",
    ]


@pytest.fixture(scope="module")
def quotes() -> list[dict[str, Any]]:
    """Real daily quotes of autumn 2008 and February 2013, and some that are made to be hard to rank."""
    real = [quote for quote in daily() if quote["timestamp"][:7] in ("2008-10", "2013-02")]
    made = [
        # the same move twice: by symbol; doubles of the two differences are not equal
        ("TIEB", "20.3", "20.1"),
        ("TIEA", "10.3", "10.1"),
        ("FLAT", "5", "5"),
        ("NONE", "5", None),
        ("TINY", "1000000.000001", "1000000"),
        ("HALF", "0.5", "1"),
        ("FALL", "9.9", "10.1"),
    ]
    made_quotes = [made_quote(symbol, "2013-02-28", price, close) for symbol, price, close in made]
    return [*real, *made_quotes, made_quote("NONE", "2013-02-27", "5", "1")]


def made_quote(symbol: str, day: str, price: str, previous_close: str | None) -> dict[str, Any]:
    """Return a plain quote of the end of a session."""
    quote = {"symbol": symbol, "timestamp": f"{day}T21:00:00.000Z", "source": "replay"}
    return {**quote, "price": price, "previous_close": previous_close}


@pytest.fixture(scope="module")
def warehouse(quotes: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> DuckdbWarehouse:
    """An archive that holds the quotes."""
    home = Home(tmp_path_factory.mktemp("home"))
    home.archive.mkdir()
    FileArchive(home).put([RawObject(quote["symbol"], quote["timestamp"], wire(quote)) for quote in quotes])
    return DuckdbWarehouse(home)


def expected(quotes: list[dict[str, Any]], by: str, direction: str) -> list[list[Any]]:
    """Rank the newest quote of each symbol with decimals, and nothing of SQL."""
    newest = {quote["symbol"]: quote for quote in sorted(quotes, key=lambda quote: quote["timestamp"])}
    movers = []
    for symbol, quote in newest.items():
        if quote["previous_close"] is None:
            continue
        price, close = Decimal(quote["price"]), Decimal(quote["previous_close"])
        change = price - close
        percent = round(change / close * 100, 8)
        if direction == "both" or (change > 0 if direction == "up" else change < 0):
            size = abs(percent if by == "percent" else change)
            row = [symbol, quote["timestamp"], *map(float, (price, close, change, percent))]
            movers.append((-size, symbol, row))
    return [row for _, _, row in sorted(movers)]


@pytest.mark.slow
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize("limit", [0, 1, 3, 1000])
def test_top_movers_are_ranked_as_an_independent_computation_ranks_them(
    warehouse: DuckdbWarehouse, quotes: list[dict[str, Any]], by: str, direction: str, limit: int
) -> None:
    """Order, figures and ties, for each way to ask."""
    result = warehouse.query(predefined_query("top-movers").sql, (by, direction, limit))
    rows = expected(quotes, by, direction)
    assert result.columns == [
        "symbol",
        "timestamp",
        "price",
        "previous_close",
        "price_change",
        "change_percent",
    ]
    assert [list(row) for row in result.rows] == rows[: limit or None]
    assert len(rows) >= 4


def test_ties_go_by_symbol_and_a_symbol_without_a_previous_close_is_not_ranked(
    warehouse: DuckdbWarehouse,
) -> None:
    """Moves are compared as written, not as binary fractions; an older quote is no substitute."""
    rows = warehouse.query(predefined_query("top-movers").sql, ("change", "up", 0)).rows
    symbols = [row[0] for row in rows if row[0] in ("TIEA", "TIEB", "FLAT", "NONE", "FALL")]
    assert 10.3 - 10.1 != 20.3 - 20.1
    assert symbols == ["TIEA", "TIEB"]


@pytest.mark.slow
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("by", BY)
def test_the_text_itself_runs_where_duckdb_stands_in_for_athena(
    warehouse: DuckdbWarehouse, by: str, direction: str
) -> None:
    """An emulator of Athena hands the SQL to DuckDB as it is; the answer is the same."""
    sql = predefined_query("top-movers").sql
    with loaded(warehouse) as connection:
        connection.execute("CREATE VIEW stock_data_table AS FROM stock_data_db.stock_data_table")
        rows = connection.execute(sql, [by, direction, 4]).fetchall()
    assert [list(row) for row in rows] == [list(row) for row in warehouse.query(sql, (by, direction, 4)).rows]


def test_an_empty_archive_has_no_movers(tmp_path: Path) -> None:
    """The columns are there, the rows are none."""
    home = Home(tmp_path)
    home.archive.mkdir()
    result = DuckdbWarehouse(home).query(predefined_query("top-movers").sql, ("percent", "both", 0))
    assert list(result.rows) == []
    assert len(result.columns) == 6

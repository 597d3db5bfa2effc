"""Names of tables that the configuration takes, against what the engines take."""

import duckdb
import pytest

from stockctl.config.types import check_sql_name
from stockctl.sql.check import check_query
from stockctl.sql.duckdb import to_duckdb


def taken(name: str) -> bool:
    """Tell whether the configuration takes a name."""
    try:
        return check_sql_name(name) == name
    except ValueError:
        return False


@pytest.mark.slow
def test_every_name_that_is_taken_can_be_queried() -> None:
    """Among all words that DuckDB knows; most of them are no harm."""
    found = duckdb.execute("SELECT keyword_name FROM duckdb_keywords()").fetchall()
    words = sorted({word.lower() for (word,) in found if taken(word.lower())})
    assert len(words) > 300
    with duckdb.connect() as engine:
        engine.execute("CREATE SCHEMA stock_data_db")
        for word in words:
            engine.execute(f'CREATE TABLE stock_data_db."{word}" (price DOUBLE)')
            statement = to_duckdb(check_query(f"SELECT count(price) FROM {word}", table=word))
            assert engine.execute(statement).fetchall() == [(0,)], word


@pytest.mark.parametrize("name", ["", "9a", "A", "a-b", "a b", "a" * 64, "select", "join", "lateral"])
def test_other_names_are_not_taken(name: str) -> None:
    """What needs quotes in SQL."""
    assert not taken(name)

"""query: the three formats, the answers, the refusals."""

import csv
import io
import json
from itertools import pairwise

import pytest

from support.cli.command import Command
from support.paths import DEMO

STATEMENT = (
    "SELECT symbol, price, previous_close, (price - previous_close) AS price_change "
    "FROM stock_data_table ORDER BY price_change DESC LIMIT 5"
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """A home that holds the daily quotes of autumn 2008."""
    stockctl = Command(tmp_path_factory.mktemp("queries"))
    stockctl.ok("stream", "--quiet", "--file", str(DEMO))
    return stockctl


def closes() -> dict[str, list[tuple[str, float]]]:
    """Return (date, close) of each symbol from the file itself."""
    series: dict[str, list[tuple[str, float]]] = {}
    with DEMO.open(newline="") as file:
        for row in csv.DictReader(file):
            series.setdefault(row["symbol"], []).append((row["date"], float(row["close"])))
    return {symbol: sorted(days) for symbol, days in series.items()}


def test_top_movers_rank_the_last_day(filled: Command) -> None:
    """The figures equal those computed from the file, largest move first."""
    expected = sorted(
        ((symbol, days[-1][1], days[-2][1]) for symbol, days in closes().items()),
        key=lambda item: -abs(item[1] / item[2] - 1),
    )
    rows = filled.rows("query", "top-movers")
    assert [(row["symbol"], row["price"], row["previous_close"]) for row in rows] == expected
    assert rows[0]["change_percent"] == pytest.approx(100 * (expected[0][1] / expected[0][2] - 1))


def test_top_movers_take_direction_order_and_limit(filled: Command) -> None:
    """Falls only, by change, at most one."""
    falls = [days[-1][1] - days[-2][1] for days in closes().values() if days[-1][1] < days[-2][1]]
    rows = filled.rows("query", "top-movers", "--direction", "down", "--by", "change", "--limit", "1")
    assert [row["price_change"] for row in rows] == ([pytest.approx(min(falls))] if falls else [])


def test_top_movers_follow_the_configured_name_of_the_table(filled: Command) -> None:
    """With another analytics.table the predefined query and one's own SQL read that one."""
    extra = {"STOCKCTL_ANALYTICS__TABLE": "ticks"}
    renamed = filled.ok("query", "top-movers", "-o", "json", extra=extra)
    assert json.loads(renamed) == filled.rows("query", "top-movers")
    assert filled.ok("query", "sql", "SELECT count(*) FROM ticks", "-o", "csv", extra=extra).endswith("756\n")


def test_the_well_known_statement_runs_as_it_stands(filled: Command) -> None:
    """The five largest rises against the previous close, from the raw archive."""
    expected = sorted(
        (
            (today - before, symbol, today)
            for symbol, days in closes().items()
            for (_, before), (_, today) in pairwise(days)
        ),
        reverse=True,
    )[:5]
    rows = filled.rows("query", "sql", STATEMENT)
    assert [(row["symbol"], row["price"]) for row in rows] == [
        (symbol, price) for _, symbol, price in expected
    ]
    assert [row["price_change"] for row in rows] == pytest.approx([change for change, _, _ in expected])


def test_history_is_oldest_first_and_limit_keeps_the_newest(filled: Command) -> None:
    """The last three days in order, with exact figures."""
    rows = filled.rows("query", "history", "msft", "--limit", "3")
    days = closes()["MSFT"]
    assert [row["price"] for row in rows] == [price for _, price in days[-3:]]
    assert [row["timestamp"][:10] for row in rows] == [day for day, _ in days[-3:]]
    mean = sum(round(price * 100) for _, price in days[-5:]) / 500
    assert rows[-1]["sma_short"] == pytest.approx(mean, abs=1e-9)


def test_history_without_limit_has_all_and_since_cuts(filled: Command) -> None:
    """--limit 0 is everything; --since takes a date."""
    assert len(filled.rows("query", "history", "IBM", "--limit", "0")) == len(closes()["IBM"])
    rows = filled.rows("query", "history", "IBM", "--limit", "0", "--since", "2009-03-01")
    assert [row["timestamp"][:10] for row in rows] == [
        day for day, _ in closes()["IBM"] if day >= "2009-03-01"
    ]


def test_latest_has_one_row_a_symbol(filled: Command) -> None:
    """Every symbol's newest quote, or only those asked for."""
    assert [row["symbol"] for row in filled.rows("query", "latest")] == ["AAPL", "GOOG", "IBM", "MSFT"]
    assert [row["symbol"] for row in filled.rows("query", "latest", "-s", "ibm,aapl")] == ["AAPL", "IBM"]


def test_signals_and_anomalies_are_the_alert_log(filled: Command) -> None:
    """Signals are the crossings, anomalies the jumps, both newest first."""
    signals = filled.rows("query", "signals", "--limit", "0")
    assert {row["kind"] for row in signals} == {"trend_up", "trend_down"}
    assert [row["timestamp"] for row in signals] == sorted(
        (row["timestamp"] for row in signals), reverse=True
    )
    anomalies = filled.rows("query", "anomalies", "--limit", "0")
    assert {row["kind"] for row in anomalies} == {"anomaly"}
    assert len(filled.rows("alerts", "list", "--limit", "0")) == len(signals) + len(anomalies)
    assert len(filled.rows("query", "anomalies")) == 20


def test_the_message_of_a_crossing_is_for_people(filled: Command) -> None:
    """The crossing of MSFT on 7 October 2008, in words."""
    messages = [row["message"] for row in filled.rows("query", "signals", "--limit", "0")]
    assert (
        "MSFT 23.23, down 6.7 % on the day: SMA-5 25.44 crossed below SMA-20 25.93 (sell signal)" in messages
    )


def test_json_and_csv_agree(filled: Command) -> None:
    """Both formats carry the same fields and values."""
    rows = filled.rows("query", "latest")
    table = list(csv.DictReader(io.StringIO(filled.ok("query", "latest", "-o", "csv"))))
    assert [list(row) for row in table] == [list(row) for row in rows]
    for text, row in zip(table, rows, strict=True):
        assert float(text["price"]) == row["price"]
        assert text["observed_at"] == ""
        assert text["anomaly"] == json.dumps(row["anomaly"])


def test_tables_have_local_time_beside_utc(filled: Command) -> None:
    """In a zone that is not UTC a table shows both times."""
    table = filled.ok("query", "latest", extra={"TZ": "Asia/Tokyo"})
    assert "TIME (UTC)" in table
    assert "LOCAL TIME" in table
    assert "2009-03-31 20:00" in table
    assert "2009-04-01 05:00 JST" in table
    assert "LOCAL TIME" not in filled.ok("query", "latest")


def test_piped_tables_are_plain(filled: Command) -> None:
    """No colour and no trailing blanks reach a pipe."""
    table = filled.ok("query", "latest", extra={"COLUMNS": "20"})
    assert "\x1b" not in table
    assert all(line == line.rstrip() for line in table.splitlines())
    assert "SMA-20" in table


def test_list_describes_each_predefined_query(filled: Command) -> None:
    """The descriptions come from the files' headers."""
    rows = filled.rows("query", "list")
    assert "top-movers" in [row["name"] for row in rows]
    assert all(row["description"] for row in rows)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE stock_data_table",
        "SELECT 1; SELECT 2",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "COPY stock_data_table TO 'x.csv'",
        "SELECT * FROM elsewhere",
        "",
        "SELEC symbol FROM stock_data_table",
    ],
)
def test_what_is_not_one_query_over_the_table_is_refused(filled: Command, statement: str) -> None:
    """Exit 1, a sentence, no traceback, nothing written."""
    message = filled.refused("query", "sql", statement, code=1)
    assert message.startswith("error: ")
    assert not (filled.folder / "x.csv").exists()


def test_odd_arguments_are_refused(filled: Command) -> None:
    """A wrong symbol, span or limit ends with 2 and says what is wrong."""
    for symbol in ("a b", "??", "IBM,AAPL", ""):
        message = filled.refused("query", "history", symbol, code=2)
        assert f"symbol '{symbol}' is not" in message
        assert "--symbols" not in message
    assert "--symbols: symbol '??' is not" in filled.refused("query", "latest", "-s", "??", code=2)
    assert "--since: 'yesterday' is neither a duration" in filled.refused(
        "query", "history", "IBM", "--since", "yesterday", code=2
    )
    for limit in ("-1", "1000000001", "9" * 20):
        for command in (("query", "latest"), ("query", "history", "IBM"), ("alerts", "list")):
            assert "--limit" in filled.refused(*command, "--limit", limit, code=2)


def test_queries_of_an_empty_home_say_so(stockctl: Command) -> None:
    """Nothing stored is no failure."""
    stockctl.ok("provision")
    for command in (("top-movers",), ("latest",), ("history", "IBM"), ("anomalies",), ("signals",)):
        done = stockctl.run("query", *command)
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr.startswith("No ")
        assert stockctl.rows("query", *command) == []


@pytest.mark.parametrize("command", [("top-movers",), ("latest",), ("sql", "SELECT 1")])
def test_queries_without_a_home_say_what_to_do(stockctl: Command, command: tuple[str, ...]) -> None:
    """An absent home is a known failure, for the table and the archive alike."""
    assert "There is no stockctl data folder" in stockctl.refused("query", *command, code=1)

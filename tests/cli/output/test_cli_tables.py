"""Tables on terminals that are too narrow for them."""

from pathlib import Path

import pytest

from support.cli.command import Command
from support.cli.pseudo_terminal import seen

QUOTES = """date,symbol,price,previous_close
2008-10-07,MSFT,23.23,24.91
2008-10-07,BRK-B,4155.5,4000
"""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """A home with a quote of two symbols."""
    stockctl = Command(tmp_path_factory.mktemp("tables"))
    file: Path = stockctl.folder / "quotes.csv"
    file.write_text(QUOTES)
    stockctl.ok("stream", "--quiet", "--file", str(file))
    return stockctl


@pytest.mark.parametrize(
    ("command", "width", "headers"),
    [
        (("latest",), 100, ["SYMBOL", "PRICE", "CHANGE", "CHANGE", "%", "TIME", "(UTC)", "AGE", "SMA-5"]),
        (("latest",), 60, ["SYMBOL", "PRICE", "CHANGE", "CHANGE", "%", "TIME", "(UTC)"]),
        (("latest",), 44, ["SYMBOL", "PRICE", "CHANGE", "%", "TIME", "(UTC)"]),
        (("latest",), 40, ["SYMBOL", "PRICE", "CHANGE", "%", "TIME", "(UTC)"]),
        (("top-movers",), 80, ["SYMBOL", "PRICE", "PREVIOUS", "CLOSE", "CHANGE", "CHANGE", "%"]),
        (("top-movers",), 44, ["SYMBOL", "PRICE", "CHANGE", "%", "TIME", "(UTC)"]),
        (("top-movers",), 40, ["SYMBOL", "PRICE", "CHANGE", "%", "TIME", "(UTC)"]),
    ],
)
def test_a_narrow_terminal_gets_what_matters_most(
    filled: Command, command: tuple[str, ...], width: int, headers: list[str]
) -> None:
    """Columns give way one by one; no symbol, no number and no time is ever cut."""
    lines = [line for line in seen(filled, width, "query", *command) if line]
    assert lines[0].split()[: len(headers)] == headers
    assert all(len(line) <= width for line in lines)
    assert any(line.split()[:2] == ["MSFT", "23.23"] for line in lines)
    assert any(line.split()[:2] == ["BRK-B", "4155.50"] for line in lines)
    assert any("+3.8" in line for line in lines)
    assert "".join(lines).count("2008-10-07 20:00") == 2


def test_long_messages_leave_the_blanks_between_columns(filled: Command) -> None:
    """Where texts can go on in the next line, a table stays airy."""
    lines = seen(filled, 60, "alerts", "list")
    assert any(line.strip().startswith("TIME (UTC)         KIND      MESSAGE") for line in lines)
    assert sum("2008-10-07 20:00" in line for line in lines) == 1


EXTREMES = """symbol,timestamp,price,previous_close
AAPL,0001-01-01T00:00:00Z,150,100
MSFT,9999-12-31T23:59:59.999Z,150,100
"""


@pytest.mark.parametrize(
    ("zone", "far"),
    [("America/New_York", "0001-01-01 00:00 UTC"), ("Asia/Tokyo", "9999-12-31 23:59 UTC")],
)
def test_the_ends_of_the_calendar_can_be_shown_in_any_zone(stockctl: Command, zone: str, far: str) -> None:
    """Where a moment has no local time, its time is UTC; nothing fails for it."""
    extra = {"TZ": zone}
    streamed = stockctl.ok("stream", "--file", "-", stdin=EXTREMES, extra=extra)
    assert f"UTC ({far.split(' ', 1)[1]}) ! " in streamed
    for command in (
        ("status",),
        ("query", "latest"),
        ("query", "top-movers"),
        ("query", "anomalies"),
        ("alerts", "list"),
    ):
        assert far in stockctl.ok(*command, extra=extra), command

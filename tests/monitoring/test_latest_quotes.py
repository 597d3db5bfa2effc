"""The board: the last quote of each symbol."""

from decimal import Decimal
from random import Random
from threading import Event, Thread

import pytest

from stockctl.market.quote import Quote
from stockctl.monitoring.latest_quotes import LatestQuotes
from stockctl.pipeline.ports import Rejection


def quote(symbol: str, price: str, close: str | None = "100", second: int = 0) -> Quote:
    """Return a quote."""
    previous = None if close is None else Decimal(close)
    figures = (Decimal(price), previous, None, None, None, None)
    return Quote(symbol, f"2026-01-05T15:00:{second:02}.000Z", *figures, "test", None)


def test_a_symbol_shows_its_last_quote_and_how_many_there_were():
    """Price, change in percent of the close before, market time and count."""
    board = LatestQuotes()
    board.add([quote("AAA", "101"), quote("BBB", "50")])
    board.add([quote("AAA", "93.5", second=1)])
    first, second = board.rows(10)
    assert first == ("AAA", Decimal("93.5"), Decimal("-6.5"), "2026-01-05T15:00:01.000Z", 2)
    assert (second.symbol, second.change_percent, second.quotes) == ("BBB", -50, 1)


def test_an_unknown_close_is_no_change_of_zero():
    """Nothing is made up."""
    board = LatestQuotes()
    board.add([quote("AAA", "101", close=None)])
    assert board.rows(1)[0].change_percent is None


def test_sums_count_quotes_and_rejections_with_the_last_reason():
    """What could not be read is counted apart, and the time is that of the last quote."""
    times = iter((11.0, 12.0))
    board = LatestQuotes(clock=lambda: next(times))
    assert board.totals() == (0, 0, 0, None, None)
    board.add([quote("AAA", "1"), Rejection(b"x", "here", "no price"), quote("AAA", "2")])
    board.add([Rejection(b"y", "there", "no symbol")])
    assert board.totals() == (1, 2, 2, "no symbol", 11.0)


def test_when_all_have_room_they_come_by_name():
    """A place that does not move is easy to find again."""
    board = LatestQuotes()
    board.add([quote("BBB", "101"), quote("CCC", "150"), quote("AAA", "100")])
    assert [line.symbol for line in board.rows(3)] == ["AAA", "BBB", "CCC"]


def test_when_they_have_not_those_come_that_moved_most():
    """Up or down alike; what has no known change comes behind, the latest first."""
    board = LatestQuotes()
    board.add([quote("UP", "104"), quote("FLAT", "100"), quote("DOWN", "94"), quote("OLD", "7", None)])
    board.add([quote("NEW", "8", None)])
    assert [line.symbol for line in board.rows(4)] == ["DOWN", "UP", "FLAT", "NEW"]
    assert [line.symbol for line in board.rows(2)] == ["DOWN", "UP"]


def test_memory_is_bounded_and_the_quiet_ones_go():
    """However many symbols come, no more than the bound stay, and the busy ones among them."""
    board = LatestQuotes(max_symbols=50)
    numbers = Random(5).sample(range(1000), 1000)
    for number in numbers:
        board.add([quote(f"S{number}", "100"), quote("BUSY", "100")])
        assert board.totals().symbols <= 50
    names = {line.symbol for line in board.rows(1000)}
    assert "BUSY" in names
    assert names - {"BUSY"} == {f"S{number}" for number in numbers[-(len(names) - 1) :]}
    assert next(line.quotes for line in board.rows(1000) if line.symbol == "BUSY") == 1000


def test_symbols_that_are_watched_no_more_go():
    """A changed configuration leaves no old lines behind."""
    board = LatestQuotes()
    board.add([quote("AAA", "1"), quote("BBB", "1")])
    board.retain(["BBB", "CCC"])
    assert [line.symbol for line in board.rows(9)] == ["BBB"]


@pytest.mark.parametrize("most", [5, 500])
def test_it_can_be_read_while_it_is_written(most: int):
    """A reader sees whole lines whose counts never fall, whatever the writer does meanwhile."""
    board = LatestQuotes()
    done = Event()

    def write() -> None:
        for number in range(400):
            board.add([quote(f"S{symbol}", str(100 + number)) for symbol in range(number % 100 + 1)])
        done.set()

    writer = Thread(target=write)
    writer.start()
    seen: dict[str, int] = {}
    while not done.is_set():
        for line in board.rows(most):
            assert line.quotes >= seen.get(line.symbol, 0)
            seen[line.symbol] = line.quotes
    writer.join()
    assert sum(line.quotes for line in board.rows(500)) == board.totals().quotes

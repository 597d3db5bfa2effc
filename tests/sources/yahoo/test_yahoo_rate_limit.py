"""When polls start, how many symbols a request takes, and who waits for it."""

from collections.abc import Iterator
from threading import Event
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.errors import SourceError, UsageError
from stockctl.market.errors import InvalidQuote
from stockctl.sources.base import SourceStopped
from stockctl.sources.yahoo.errors import RateLimited, YahooError
from stockctl.sources.yahoo.poller import split_symbols
from stockctl.sources.yahoo.source import YahooSource, next_start
from stockctl.sources.yahoo.workers import RequestPool
from support.quote_strategies import examples


@pytest.mark.parametrize(
    ("now", "start"), [(100.0, 130.0), (129.9, 130.0), (130.0, 130.0), (130.1, 160.0), (400.0, 400.0)]
)
def test_polls_keep_their_grid(now: float, start: float) -> None:
    """The duration of a poll does not shift later ones, and a late one is not followed by a burst."""
    assert next_start(100.0, 30.0, now) == start


symbols = st.from_regex(r"[A-Z0-9^][A-Z0-9.^=-]{0,19}", fullmatch=True)


@pytest.mark.slow
@examples(200)
@given(st.lists(symbols, unique=True, max_size=600))
def test_every_symbol_is_asked_for_once_and_urls_stay_short(asked: list[str]) -> None:
    """Whatever the symbols, no request is longer than servers accept, and there are no more than needed."""
    lists = split_symbols(asked)
    assert [symbol for one in lists for symbol in one] == asked
    lengths = [len(quote(",".join(one), safe="")) for one in lists]
    assert all(length <= 6000 for length in lengths)
    assert all(
        one + len(quote(f",{two[0]}", safe="")) > 5900 for one, two in zip(lengths, lists[1:], strict=False)
    )


def test_five_hundred_symbols_are_one_request() -> None:
    """Splitting is for the very many."""
    assert len(split_symbols([f"SYM{number}" for number in range(500)])) == 1
    assert len(split_symbols([f"SYM{number}" for number in range(2000)])) == 4


@pytest.fixture
def pool() -> Iterator[RequestPool[object]]:
    """A thread that makes calls."""
    made: RequestPool[object] = RequestPool()
    yield made
    made.close()


def test_a_call_gives_back_what_it_returns_or_raises(pool: RequestPool[object]) -> None:
    """An error in the thread is raised for the caller."""

    def limited() -> object:
        raise RateLimited

    def unfit() -> object:
        raise SourceError("unfit")

    assert pool.call(lambda: 42, Event()) == 42
    with pytest.raises(YahooError, match="HTTP 429"):
        pool.call(limited, Event())
    with pytest.raises(SourceError, match="unfit"):
        pool.call(unfit, Event())
    assert pool.call(lambda: 43, Event()) == 43


def test_a_call_that_hangs_is_left_alone_when_the_program_stops(pool: RequestPool[object]) -> None:
    """A request that takes half a minute does not keep Ctrl-C waiting."""
    stop, release, over = Event(), Event(), Event()

    def hang() -> None:
        stop.set()
        release.wait(30)
        over.set()

    with pytest.raises(SourceStopped):
        pool.call(hang, stop)
    assert not over.is_set()
    release.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_the_thread_does_not_hang_the_program(pool: RequestPool[object]) -> None:
    """An unexpected exception ends the thread, and a waiting caller gets an error."""
    with pytest.raises(RuntimeError, match="thread that sends requests to Yahoo has died"):
        pool.call(lambda: 1 // 0, Event())


@pytest.mark.parametrize("interval", [0, -1, float("nan"), float("inf")])
def test_an_interval_that_is_no_time_is_refused(interval: float) -> None:
    """The message has the value, the hint one that works."""
    with pytest.raises(UsageError, match=rf"interval of {interval:g} s is not above zero") as caught:
        YahooSource(["AAPL"], interval=interval)
    assert caught.value.hint == "Try --interval 30."


def test_there_must_be_symbols_and_they_must_be_some() -> None:
    """No symbol is wrong usage, and so is an invalid one."""
    with pytest.raises(UsageError, match="no symbol to ask Yahoo for"):
        YahooSource([])
    with pytest.raises(InvalidQuote, match="A,B"):
        YahooSource(["AAPL", "A,B"])


def test_wrong_usage_is_refused_while_running_too() -> None:
    """No symbols, an invalid symbol, and no parallel request; the symbols stay as they are."""
    source = YahooSource(["AAPL"])
    with pytest.raises(UsageError, match="no symbol to ask Yahoo for"):
        source.change_symbols([])
    with pytest.raises(InvalidQuote, match="A,B"):
        source.change_symbols(["A,B"])
    with pytest.raises(UsageError, match="cannot be 0 requests at once"):
        YahooSource(["AAPL"], parallel=0)


def test_stopping_before_the_first_poll_asks_nothing() -> None:
    """A source that is stopped already ends, and imports nothing for it."""
    stop = Event()
    stop.set()
    assert list(YahooSource(["AAPL"]).ticks(stop)) == []

"""What every table of quotes promises, to the stages and to the commands.

A backend's test class derives from these and provides the fixtures that raise NotImplementedError.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest

from stockctl.market.quote import EnrichedQuote, PriorQuote
from stockctl.pipeline.ports import QuoteReader, QuoteTable


def stored_quote(symbol: str = "AAPL", minute: int = 0, **fields: Any) -> EnrichedQuote:
    """Return a stored quote with every figure unknown but ``fields``."""
    unknown = dict.fromkeys(EnrichedQuote._fields)
    plain = {
        "symbol": symbol,
        "timestamp": f"2019-02-11T{14 + minute // 60:02}:{minute % 60:02}:00.000Z",
        "price": Decimal(100 + minute),
        "source": "replay",
        "anomaly": False,
        "anomaly_alert": False,
    }
    return EnrichedQuote(**unknown | plain | fields)


FULL = stored_quote(
    previous_close=Decimal("0.000001"),
    open=Decimal("-37.63"),
    high=Decimal("999999999999999.999999"),
    low=Decimal(0),
    volume=2**63 - 1,
    observed_at="2019-02-11T14:31:02.250Z",
    change=Decimal("-1.68"),
    change_percent=Decimal("-6.74427941"),
    sma_short=Decimal("25.442"),
    sma_long=Decimal("123456789012345.12345678"),
    trend="down",
    previous_trend="up",
    anomaly=True,
    anomaly_alert=True,
    anomaly_up_date="2019-02-08",
    anomaly_down_date="2019-02-11",
)


def precedent(quote: EnrichedQuote) -> PriorQuote:
    """Return what a later quote needs of ``quote``."""
    return PriorQuote(*(getattr(quote, name) for name in PriorQuote._fields))


class QuoteTableContract:
    """The table as the ingest stage uses it."""

    @pytest.fixture
    def table(self) -> QuoteTable:
        """An empty table."""
        raise NotImplementedError

    @pytest.fixture
    def other_table(self) -> QuoteTable:
        """The same table, opened a second time."""
        raise NotImplementedError

    @pytest.fixture
    def stored(self) -> Callable[[], Sequence[EnrichedQuote]]:
        """Read everything back, in any order."""
        raise NotImplementedError

    def test_what_is_inserted_is_stored(
        self, table: QuoteTable, stored: Callable[[], Sequence[EnrichedQuote]]
    ):
        """Every field arrives as it was, numbers to the last digit, unknown ones as None."""
        quotes = [FULL, stored_quote(minute=1), stored_quote("^VIX"), stored_quote("EURUSD=X")]
        table.insert(quotes)
        assert sorted(stored(), key=lambda quote: quote[:2]) == sorted(quotes, key=lambda quote: quote[:2])

    def test_inserting_nothing_stores_nothing(
        self, table: QuoteTable, stored: Callable[[], Sequence[EnrichedQuote]]
    ):
        """An empty insert is no error."""
        table.insert([])
        assert list(stored()) == []

    def test_a_write_that_ended_is_seen_by_everyone(self, table: QuoteTable, other_table: QuoteTable):
        """Reads are consistent: what one writer stored, another reads at once."""
        table.insert([FULL])
        assert other_table.newest(["AAPL"], 5) == {"AAPL": [precedent(FULL)]}
        assert list(other_table.around("AAPL", FULL.timestamp, FULL.timestamp, 0)) == [precedent(FULL)]

    def test_symbols_without_quotes_are_left_out(self, table: QuoteTable):
        """Nothing is known of a symbol that was never stored."""
        table.insert([stored_quote("AAPL")])
        assert set(table.newest(["AAPL", "MSFT", "AAP", "AAPLX"], 5)) == {"AAPL"}
        assert table.newest([], 5) == {}

    def test_newest_are_the_last_ones_oldest_first(self, table: QuoteTable):
        """Of more quotes than asked for, the newest come, in order of time."""
        quotes = [stored_quote(minute=minute, trend="up") for minute in (3, 1, 4, 0, 2)]
        table.insert(quotes)
        expected = [precedent(stored_quote(minute=minute, trend="up")) for minute in (2, 3, 4)]
        assert table.newest(["AAPL"], 3) == {"AAPL": expected}
        assert [item.price for item in table.newest(["AAPL"], 19)["AAPL"]] == [100, 101, 102, 103, 104]
        assert [item.price for item in table.newest(["AAPL"], 1)["AAPL"]] == [104]

    def test_newest_of_many_symbols(self, table: QuoteTable):
        """More quotes and symbols than one request of any backend holds are written and read."""
        symbols = [f"S{number:03}" for number in range(150)]
        table.insert([stored_quote(symbol, minute) for minute in range(4) for symbol in symbols])
        newest = table.newest(symbols, 3)
        assert list(map(newest.get, symbols)) == [
            [precedent(stored_quote(symbol, minute)) for minute in (1, 2, 3)] for symbol in symbols
        ]

    @pytest.mark.parametrize(
        ("first", "last", "before", "minutes"),
        [
            (10, 20, 0, range(10, 21)),
            (10, 20, 3, range(7, 21)),
            (10, 10, 2, range(8, 11)),
            (0, 5, 9, range(6)),
            (2, 4, 9, range(5)),
            (60, 70, 2, range(58, 60)),
            (58, 99, 1, range(57, 60)),
        ],
    )
    def test_around_a_span(self, table: QuoteTable, first: int, last: int, before: int, minutes: range):
        """Both ends belong to the span; some more come ahead of it, as far as there are any."""
        table.insert([stored_quote("AAPL", minute) for minute in reversed(range(60))])
        table.insert([stored_quote("AAPK", minute) for minute in range(60)])
        table.insert([stored_quote("AAPLX", minute) for minute in range(60)])
        found = table.around("AAPL", stored_quote(minute=first)[1], stored_quote(minute=last)[1], before)
        assert list(found) == [precedent(stored_quote("AAPL", minute)) for minute in minutes]

    def test_around_between_two_quotes(self, table: QuoteTable):
        """A span in which nothing lies has only what is ahead of it."""
        table.insert([stored_quote(minute=minute) for minute in (0, 1, 9)])
        span = stored_quote(minute=3)[1], stored_quote(minute=5)[1]
        assert list(table.around("AAPL", *span, 1)) == [precedent(stored_quote(minute=1))]
        assert list(table.around("MSFT", *span, 5)) == []

    def test_a_long_span_is_whole(self, table: QuoteTable):
        """A span of hundreds of quotes comes complete."""
        quotes = [FULL._replace(timestamp=stored_quote(minute=minute)[1]) for minute in range(480)]
        table.insert(quotes)
        found = table.around("AAPL", quotes[10].timestamp, quotes[-1].timestamp, 5)
        assert list(found) == [precedent(quote) for quote in quotes[5:]]


class QuoteReaderContract:
    """The table as the commands show it."""

    @pytest.fixture
    def reader(self) -> QuoteReader:
        """A reader of an empty table."""
        raise NotImplementedError

    @pytest.fixture
    def store(self) -> Callable[[Sequence[EnrichedQuote]], None]:
        """Put stored quotes into that table."""
        raise NotImplementedError

    def test_an_empty_table_has_nothing_to_show(self, reader: QuoteReader):
        """Without quotes, both views are empty."""
        assert list(reader.latest()) == list(reader.latest(["AAPL"])) == list(reader.history("AAPL")) == []

    def test_every_field_is_shown_as_stored(
        self, reader: QuoteReader, store: Callable[[Sequence[EnrichedQuote]], None]
    ):
        """Values and their types come back as they were."""
        store([FULL])
        for (quote,) in (reader.latest(), reader.history("AAPL")):
            assert quote == FULL
            assert [type(value) for value in quote] == [type(value) for value in FULL]

    def test_latest_is_the_newest_of_each_symbol(
        self, reader: QuoteReader, store: Callable[[Sequence[EnrichedQuote]], None]
    ):
        """Of all symbols or of those asked for, by symbol; one that is unknown is left out."""
        store([stored_quote(symbol, minute) for minute in (2, 0, 1) for symbol in ("MSFT", "AAPL", "^VIX")])
        newest = [stored_quote(symbol, 2) for symbol in ("AAPL", "MSFT", "^VIX")]
        assert list(reader.latest()) == newest
        assert list(reader.latest(["^VIX", "NONE", "AAPL", "AAPL"])) == [newest[0], newest[2]]
        assert list(reader.latest([])) == []

    def test_history_is_oldest_first(
        self, reader: QuoteReader, store: Callable[[Sequence[EnrichedQuote]], None]
    ):
        """All of a symbol, or from a moment on, that moment included."""
        store([stored_quote(symbol, minute) for minute in (3, 0, 2, 1) for symbol in ("AAPL", "AAPLX")])
        everything = [stored_quote("AAPL", minute) for minute in range(4)]
        assert list(reader.history("AAPL")) == everything
        assert list(reader.history("AAPL", since=everything[2].timestamp)) == everything[2:]
        assert list(reader.history("AAPL", since="2019-02-11T14:01:30.000Z")) == everything[2:]
        assert list(reader.history("AAPL", since="2030-01-01T00:00:00.000Z")) == []

    def test_a_limit_takes_the_newest(
        self, reader: QuoteReader, store: Callable[[Sequence[EnrichedQuote]], None]
    ):
        """Limited, history still ends with the newest quote; zero means no limit."""
        everything = [stored_quote("AAPL", minute) for minute in range(300)]
        store(everything)
        assert list(reader.history("AAPL", limit=3)) == everything[-3:]
        assert list(reader.history("AAPL", since=everything[250].timestamp, limit=7)) == everything[-7:]
        assert list(reader.history("AAPL", limit=1000)) == everything
        assert list(reader.history("AAPL", limit=0)) == everything

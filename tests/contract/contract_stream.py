"""What every stream promises a producer, with both stages behind it.

A backend's test class derives from this and provides the fixtures that raise NotImplementedError.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from stockctl.market.alert import Alert
from stockctl.market.quote import EnrichedQuote
from stockctl.pipeline.ports import Record, Rejection, Stream
from support.real_data import wire
from support.reference_figures import book_of


def walk_of(symbol: str, count: int = 40) -> list[dict[str, Any]]:
    """Return quotes of one session that rise, fall and jump, so that every kind of alert is raised."""
    prices = [100 + 2 * (minute % 13) - (minute * minute) % 11 for minute in range(count)]
    return [
        {
            "symbol": symbol,
            "timestamp": f"2019-02-11T{15 + minute // 60}:{minute % 60:02}:00.000Z",
            "price": str(price),
            "previous_close": "104",
            "open": None,
            "high": None,
            "low": None,
            "volume": minute,
            "source": "replay",
        }
        for minute, price in enumerate(prices)
    ]


def records(quotes: Sequence[Mapping[str, Any]]) -> list[Record]:
    """Return quotes as records."""
    return [Record(wire(dict(quote)), "test") for quote in quotes]


class StreamContract:
    """From a record sent to what is stored, archived, quarantined and alerted, with the default rules."""

    @pytest.fixture
    def stream(self) -> Stream:
        """A stream into an empty pipeline."""
        raise NotImplementedError

    @pytest.fixture
    def settle(self) -> Callable[[], None]:
        """Return once everything sent so far went through both stages."""
        raise NotImplementedError

    @pytest.fixture
    def stored(self) -> Callable[[], Sequence[EnrichedQuote]]:
        """Read the table back, in any order."""
        raise NotImplementedError

    @pytest.fixture
    def objects(self) -> Callable[[], Mapping[tuple[str, str], bytes]]:
        """Read the archive back: bytes by symbol and timestamp."""
        raise NotImplementedError

    @pytest.fixture
    def rejections(self) -> Callable[[], Sequence[Rejection]]:
        """Read the quarantine back, in any order."""
        raise NotImplementedError

    @pytest.fixture
    def logged(self) -> Callable[[], Sequence[Alert]]:
        """Read the alert log back, in any order."""
        raise NotImplementedError

    def test_everything_sent_arrives(self, stream, settle, stored, objects, rejections, logged):
        """Quotes are stored with their figures, archived as they came, and alerted, as the reference says."""
        quotes = [*walk_of("AAPL"), *walk_of("MSFT")]
        book = book_of(quotes)
        assert len({alert["kind"] for alert in book.alerts.values()}) == 3
        assert stream.send(records(quotes)).sent == len(quotes)
        settle()
        assert sorted((row.symbol, row.timestamp) for row in stored()) == sorted(book.rows)
        for row in stored():
            assert row._asdict() == book.rows[row.symbol, row.timestamp]
        assert objects() == {(quote["symbol"], quote["timestamp"]): wire(quote) for quote in quotes}
        assert {alert.alert_id: alert.message for alert in logged()} == {
            alert_id: alert["message"] for alert_id, alert in book.alerts.items()
        }
        assert list(rejections()) == []

    def test_in_pieces_and_again_it_is_the_same(self, stream, settle, stored, objects, logged):
        """Cut into batches, with the second one sent twice and the first one at last again."""
        quotes = walk_of("AAPL")
        book = book_of(quotes)
        for batch in (quotes[:7], quotes[7:30][::-1], quotes[7:30], quotes[28:], quotes[:7]):
            stream.send(records(batch))
            settle()
        assert len(stored()) == len(objects()) == len(quotes)
        assert all(row._asdict() == book.rows[row.symbol, row.timestamp] for row in stored())
        assert sorted(alert.alert_id for alert in logged()) == sorted(book.alerts)

    def test_the_first_content_wins(self, stream, settle, stored, objects):
        """Another price at the same moment, in the batch or after it, changes nothing."""
        (quote,) = walk_of("AAPL", 1)
        other = {**quote, "price": "77"}
        stream.send(records([quote, other]))
        settle()
        stream.send(records([other]))
        settle()
        (row,) = stored()
        assert str(row.price) == quote["price"]
        assert list(objects().values()) == [wire(quote)]

    def test_unreadable_records_are_quarantined_and_block_nothing(
        self, stream, settle, stored, rejections, logged
    ):
        """Each is kept with its bytes and its reason; the quotes around it arrive."""
        good = records(walk_of("AAPL", 3))
        bad = [Record(b"\xff", "a"), Record(b"{}", "b"), Record(good[0].data.replace(b"AAPL", b"$"), "c")]
        receipt = stream.send([bad[0], good[0], bad[1], good[1], bad[2], good[2]])
        settle()
        assert receipt.sent == 6
        assert len(stored()) == 3
        found = {rejection.data: rejection.reason for rejection in rejections()}
        assert set(found) == {record.data for record in bad}
        assert found[b"{}"] == "symbol is missing"
        assert list(logged()) == []

    def test_a_source_may_refuse_for_itself(self, stream, settle, stored, rejections):
        """What a source could not read is quarantined as it says."""
        rejection = Rejection(b"a,b", "quotes.csv, record 2", "price 'b' is not a number")
        stream.refuse([rejection])
        stream.refuse([rejection])
        stream.refuse([])
        settle()
        assert list(rejections()) == [rejection]
        assert list(stored()) == []

    def test_a_symbol_in_small_letters_is_stored_upper_cased(self, stream, settle, stored, objects):
        """Key and content agree on the upper-cased symbol."""
        (quote,) = walk_of("AAPL", 1)
        stream.send(records([{**quote, "symbol": "aapl"}]))
        settle()
        assert [row.symbol for row in stored()] == ["AAPL"]
        assert objects() == {("AAPL", quote["timestamp"]): wire(quote)}

    def test_more_records_than_one_request_takes(self, stream, settle, stored, objects):
        """A thousand records in one call all arrive, in order for each symbol."""
        quotes = [quote for number in range(10) for quote in walk_of(f"S{number}", 104)]
        book = book_of(quotes)
        assert stream.send(records(quotes)).sent == 1040
        settle()
        assert len(stored()) == len(objects()) == 1040
        assert all(row._asdict() == book.rows[row.symbol, row.timestamp] for row in stored())

    def test_nothing_sent(self, stream, settle, stored):
        """An empty call is no error."""
        assert stream.send([]).sent == 0
        settle()
        assert list(stored()) == []

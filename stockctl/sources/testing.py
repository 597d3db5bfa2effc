"""The tests that every source has to pass, yours as well.

Subclass ``SourceContract`` in a test of your package, and have pytest collect it::

    from stockctl.sources.contract import SourceContract

    class TestAcme(SourceContract):
        def make(self):
            return make_source(SourceRequest(["AAPL"], 30.0, False, (), {}))

Only plain asserts are used: nothing but pytest's collection is needed.
"""

import re
from threading import Condition, Event, Thread

from stockctl.market.quote import Quote, decode_record, encode_quote
from stockctl.pipeline.ports import Rejection
from stockctl.sources.base import Source, Tick, follows_market_hours

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


class SourceContract:
    """Tests of one source.

    Attributes:
        sample_ticks: how many ticks are looked at; a source that has more is stopped after them.
        patience: seconds that the first tick, and the end after a stop, may take.
        silence: seconds after which a source that gave something has no more to give for now.
    """

    sample_ticks = 5
    patience = 60.0
    silence = 1.0

    def make(self) -> Source:
        """Return a new source, that has at least one quote to give."""
        raise NotImplementedError

    def test_it_tells_its_name(self) -> None:
        """The name can stand in a quote, and stands in each of its own."""
        source = self.make()
        assert _NAME.fullmatch(source.name), source.name
        assert {quote.source for quote in self._quotes(source)} == {source.name}

    def test_it_says_whether_it_can_be_repeated(self) -> None:
        """A repeatable source yields the same quotes to whoever runs it again."""
        source = self.make()
        assert isinstance(source.repeatable, bool)
        if source.repeatable:
            assert self._quotes(source) == self._quotes(self.make())

    def test_ticks_hold_quotes_and_rejections(self) -> None:
        """A tick is a sequence of these, and not empty; there is a quote among the first ticks."""
        items = []
        for tick in self._ticks(self.make()):
            assert len(tick) > 0
            items += list(tick)
        assert all(isinstance(item, Quote | Rejection) for item in items)
        assert any(isinstance(item, Quote) for item in items)

    def test_quotes_survive_the_stream(self) -> None:
        """Encoded and read again, each quote is what it was: all of its fields are as the contract says."""
        for quote in self._quotes(self.make()):
            assert decode_record(encode_quote(quote)).quote == quote

    def test_each_symbols_quotes_come_in_order_of_time(self) -> None:
        """No quote is older than the one of its symbol before, and none comes twice."""
        newest: dict[str, str] = {}
        for quote in self._quotes(self.make()):
            assert quote.timestamp > newest.get(quote.symbol, ""), quote
            newest[quote.symbol] = quote.timestamp

    def test_rejections_say_what_why_and_from_where(self) -> None:
        """Whoever looks into the quarantine finds the reason and the origin."""
        for tick in self._ticks(self.make()):
            for item in tick:
                if isinstance(item, Rejection):
                    assert item.reason
                    assert item.origin.split(":")[0]
                    assert isinstance(item.data, bytes)

    def test_it_ends_when_it_is_told_to(self) -> None:
        """Stopped after its first tick, from another thread as a signal would, it ends soon.

        All that it still yields is taken: it must not go on because somebody does.
        """
        Run(self.make(), 1, self.patience, self.silence).finish()

    def test_told_to_end_before_it_begins_it_yields_next_to_nothing(self) -> None:
        """With ``stop`` set at the start there is one tick at most."""
        stop = Event()
        stop.set()
        assert len(list(self.make().ticks(stop))) <= 1

    def test_one_that_follows_market_hours_can_be_run_for_each_session(self) -> None:
        """It is live, ends when a session does, and can be run again for the next one, without a repetition.

        A source that does not follow them has no such promise to keep. What the second run has to give is
        its own affair: perhaps nothing is new since.
        """
        source = self.make()
        if not follows_market_hours(source):
            return
        assert source.follows_market_hours is True  # type: ignore[attr-defined]
        assert not source.repeatable
        first = self._ticks(source)
        newest = {item.symbol: item.timestamp for tick in first for item in tick if isinstance(item, Quote)}
        second = Run(source, 1, self.patience, self.silence, first=self.silence)
        second.end()
        for tick in second.ticks:
            for item in tick:
                if isinstance(item, Quote):
                    assert item.timestamp > newest.get(item.symbol, ""), item

    def test_what_it_expects_comes(self) -> None:
        """A source that ends and says how many items it has is right."""
        source = self.make()
        run = Run(source, self.sample_ticks, self.patience, self.silence)
        run.finish()
        if run.ended_by_itself and source.expected is not None:
            assert sum(map(len, run.ticks)) == source.expected

    def _ticks(self, source: Source) -> list[Tick]:
        run = Run(source, self.sample_ticks, self.patience, self.silence)
        run.finish()
        return run.ticks[: self.sample_ticks]

    def _quotes(self, source: Source) -> list[Quote]:
        return [item for tick in self._ticks(source) for item in tick if isinstance(item, Quote)]


class Run:
    """A source that runs in a thread until it has given a sample; it goes on until ``end`` or ``finish``.

    Args:
        source: what to run.
        sample: how many ticks.
        patience: seconds that an end may take, and the first tick unless ``first`` says otherwise.
        silence: seconds without a tick after which no more are waited for.
        first: seconds that the first tick is waited for.
    """

    def __init__(
        self, source: Source, sample: int, patience: float, silence: float, *, first: float | None = None
    ) -> None:
        self.ticks: list[Tick] = []
        self.ended_by_itself = False
        self._failure: Exception | None = None
        self._patience = patience
        self._stop = Event()
        self._changed = Condition()
        self._thread = Thread(target=self._work, args=(source,), daemon=True)
        self._thread.start()
        self._wait(sample, silence, patience if first is None else first)

    def finish(self) -> None:
        """Stop the source, and insist that it had something to give, and ends."""
        self.end()
        assert self.ticks, "no tick came"

    def end(self) -> None:
        """Stop the source, and insist that it ends."""
        self._stop.set()
        self._thread.join(self._patience)
        if self._failure is not None:
            raise self._failure
        assert not self._thread.is_alive(), "it goes on"

    def _wait(self, sample: int, silence: float, left: float) -> None:
        with self._changed:
            seen = 0
            while seen < sample and not self._is_over:
                if len(self.ticks) > seen:
                    seen, left = len(self.ticks), silence
                elif not self._changed.wait(left):
                    return

    @property
    def _is_over(self) -> bool:
        return self.ended_by_itself or self._failure is not None

    def _work(self, source: Source) -> None:
        try:
            for tick in source.ticks(self._stop):
                with self._changed:
                    self.ticks.append(tick)
                    self._changed.notify_all()
        except Exception as failure:  # noqa: BLE001 - raised again where the test is
            self._failure = failure
        with self._changed:
            self.ended_by_itself = not self._stop.is_set()
            self._changed.notify_all()

"""The tests that every source must pass, including those of other packages.

Subclass ``SourceContract`` in a test of your package, so that pytest collects it::

    from stockctl.sources.testing import SourceContract

    class TestAcme(SourceContract):
        def make(self):
            return make_source(SourceRequest(["AAPL"], 30.0, False, (), {}))

The tests use plain asserts, and need no fixtures.
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
        sample_ticks: how many ticks are checked; a source with more is stopped after them.
        patience: seconds that the first tick, and the end after a stop, may take.
        silence: seconds without a tick after which a source is expected to have no more for now.
    """

    sample_ticks = 5
    patience = 60.0
    silence = 1.0

    def make(self) -> Source:
        """Return a new source that yields at least one quote."""
        raise NotImplementedError

    def test_it_tells_its_name(self) -> None:
        """The name is valid in a quote, and is in each of its quotes."""
        source = self.make()
        assert _NAME.fullmatch(source.name), source.name
        assert {quote.source for quote in self._quotes(source)} == {source.name}

    def test_it_says_whether_it_can_be_repeated(self) -> None:
        """A repeatable source yields the same quotes when it is run again."""
        source = self.make()
        assert isinstance(source.repeatable, bool)
        if source.repeatable:
            assert self._quotes(source) == self._quotes(self.make())

    def test_ticks_hold_quotes_and_rejections(self) -> None:
        """A tick is a sequence of these and not empty; the first ticks contain a quote."""
        items = []
        for tick in self._ticks(self.make()):
            assert len(tick) > 0
            items += list(tick)
        assert all(isinstance(item, Quote | Rejection) for item in items)
        assert any(isinstance(item, Quote) for item in items)

    def test_quotes_survive_the_stream(self) -> None:
        """A quote that is encoded and decoded is unchanged, because all of its fields are valid."""
        for quote in self._quotes(self.make()):
            assert decode_record(encode_quote(quote)).quote == quote

    def test_each_symbols_quotes_come_in_order_of_time(self) -> None:
        """Each quote is newer than the one of its symbol before."""
        newest: dict[str, str] = {}
        for quote in self._quotes(self.make()):
            assert quote.timestamp > newest.get(quote.symbol, ""), quote
            newest[quote.symbol] = quote.timestamp

    def test_rejections_say_what_why_and_from_where(self) -> None:
        """The quarantine shows the reason and the origin."""
        for tick in self._ticks(self.make()):
            for item in tick:
                if isinstance(item, Rejection):
                    assert item.reason
                    assert item.origin.split(":")[0]
                    assert isinstance(item.data, bytes)

    def test_it_ends_when_it_is_told_to(self) -> None:
        """Stopped after its first tick, from another thread as by a signal, it ends soon.

        All its further ticks are read: it must not continue because somebody reads them.
        """
        Run(self.make(), 1, self.patience, self.silence).finish()

    def test_told_to_end_before_it_begins_it_yields_next_to_nothing(self) -> None:
        """With ``stop`` set at the start it yields one tick at most."""
        stop = Event()
        stop.set()
        assert len(list(self.make().ticks(stop))) <= 1

    def test_one_that_follows_market_hours_can_be_run_for_each_session(self) -> None:
        """It is live, ends with its session, and can be run again for the next one without repetition.

        This applies only to a source that follows market hours. The second run may yield nothing.
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
        """A source that ends has yielded as many items as it said."""
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
    """Runs a source in a thread, and waits for a sample; the source runs on until ``end`` or ``finish``.

    Args:
        source: the source to run.
        sample: how many ticks to wait for.
        patience: seconds that the end may take, and the first tick unless ``first`` is given.
        silence: seconds without a tick after which to stop waiting.
        first: seconds to wait for the first tick.
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
        """Stop the source, and check that it has yielded a tick, and ends."""
        self.end()
        assert self.ticks, "no tick came"

    def end(self) -> None:
        """Stop the source, and check that it ends."""
        self._stop.set()
        self._thread.join(self._patience)
        if self._failure is not None:
            raise self._failure
        assert not self._thread.is_alive(), "it does not end"

    def _wait(self, sample: int, silence: float, timeout: float) -> None:
        with self._changed:
            seen = 0
            while seen < sample and not self._is_over:
                if len(self.ticks) > seen:
                    seen, timeout = len(self.ticks), silence
                elif not self._changed.wait(timeout):
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
        except Exception as failure:  # noqa: BLE001 - raised again in the thread of the test
            self._failure = failure
        with self._changed:
            self.ended_by_itself = not self._stop.is_set()
            self._changed.notify_all()

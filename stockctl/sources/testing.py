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
        sample_ticks: the number of ticks to check; a source with more is stopped after them.
        patience: the maximum number of seconds until the first tick, and from the stop to the end.
        silence: after this number of seconds without a tick, no more ticks are expected for now.
    """

    sample_ticks = 5
    patience = 60.0
    silence = 1.0

    def make(self) -> Source:
        """Return a new source that yields at least one quote."""
        raise NotImplementedError

    def test_name_is_valid(self) -> None:
        """The name of the source is valid in a quote, and each of its quotes has it."""
        source = self.make()
        assert _NAME.fullmatch(source.name), source.name
        assert {quote.source for quote in self._quotes(source)} == {source.name}

    def test_repeatable_source_repeats_its_quotes(self) -> None:
        """A repeatable source yields the same quotes when it is run again."""
        source = self.make()
        assert isinstance(source.repeatable, bool)
        if source.repeatable:
            assert self._quotes(source) == self._quotes(self.make())

    def test_ticks_hold_quotes_and_rejections(self) -> None:
        """A tick holds quotes and rejections and is not empty; the first ticks contain a quote."""
        items = []
        for tick in self._ticks(self.make()):
            assert len(tick) > 0
            items += list(tick)
        assert all(isinstance(item, Quote | Rejection) for item in items)
        assert any(isinstance(item, Quote) for item in items)

    def test_quotes_are_unchanged_after_encoding_and_decoding(self) -> None:
        """All fields are valid, so that a quote is unchanged after it is encoded and decoded."""
        for quote in self._quotes(self.make()):
            assert decode_record(encode_quote(quote)).quote == quote

    def test_quotes_of_a_symbol_are_in_order_of_time(self) -> None:
        """Each quote is newer than the previous one of its symbol."""
        newest: dict[str, str] = {}
        for quote in self._quotes(self.make()):
            assert quote.timestamp > newest.get(quote.symbol, ""), quote
            newest[quote.symbol] = quote.timestamp

    def test_rejections_have_data_reason_and_origin(self) -> None:
        """Each rejection has these, because the quarantine stores them."""
        for tick in self._ticks(self.make()):
            for item in tick:
                if isinstance(item, Rejection):
                    assert item.reason
                    assert item.origin.split(":")[0]
                    assert isinstance(item.data, bytes)

    def test_source_ends_after_stop(self) -> None:
        """A source that is stopped after its first tick, from another thread, ends soon.

        The test keeps reading ticks: the source must stop even though they are still read.
        """
        Run(self.make(), 1, self.patience, self.silence).finish()

    def test_source_started_after_stop_yields_at_most_one_tick(self) -> None:
        """With ``stop`` set before the start, the source yields at most one tick."""
        stop = Event()
        stop.set()
        assert len(list(self.make().ticks(stop))) <= 1

    def test_market_hours_source_can_run_for_each_session(self) -> None:
        """It is live, ends with its session, and yields no quote again when it is run for the next session.

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

    def test_number_of_items_equals_expected(self) -> None:
        """A source that ends has yielded as many items as ``expected`` says."""
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
    """Runs a source in a thread, and waits for the first ticks; it runs on until ``end`` or ``finish``.

    Args:
        source: the source to run.
        sample: the number of ticks to wait for.
        patience: the maximum number of seconds until the end, and until the first tick if there is no
            ``first``.
        silence: the number of seconds without a tick after which to stop waiting.
        first: the number of seconds to wait for the first tick.
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
        """Stop the source; check that it ends, and that it has yielded a tick."""
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

"""Circuit breaker, rate limiter, thread pool and symbol schedule, with a clock that a test moves."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Event, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.sources.base import SourceStopped
from stockctl.sources.yahoo.circuit_breaker import MAX_RETRY_AFTER, BreakerState, CircuitBreaker
from stockctl.sources.yahoo.errors import CircuitOpen, RateLimited, ServerError
from stockctl.sources.yahoo.poller import Poller, SymbolSchedule, split_symbols
from stockctl.sources.yahoo.rate_limit import BURST_SECONDS, RateLimiter, parse_retry_after
from stockctl.sources.yahoo.tracker import QuoteTracker
from stockctl.sources.yahoo.workers import RequestPool
from support.quote_strategies import examples

patient = examples(120)
TODAY = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that does not move."""
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    """A closed breaker whose first wait is 30 to 60 s."""
    return CircuitBreaker(
        30, rng=Random(1), clock=clock, wall_clock=lambda: TODAY + timedelta(seconds=clock.now - 1000)
    )


def ask(breaker: CircuitBreaker, answer: Callable[[], object] = lambda: None) -> None:
    """Make a request through a breaker."""
    with breaker.request():
        answer()


def limited(retry_after: float | None = None) -> None:
    """Raise a rate limit."""
    raise RateLimited(retry_after)


def failed() -> None:
    """Raise another error."""
    raise ServerError(502)


def test_a_closed_breaker_lets_all_through_and_no_other_fault_opens_it(breaker: CircuitBreaker) -> None:
    """Only a 429 is a limit."""
    ask(breaker)
    with pytest.raises(ServerError):
        ask(breaker, failed)
    assert breaker.snapshot() == (BreakerState.CLOSED, None, 0)
    breaker.check()


def test_a_limit_withholds_all_until_its_time_is_over(breaker: CircuitBreaker, clock: Clock) -> None:
    """Nothing is sent while it is open, and the end of the wait is known."""
    with pytest.raises(RateLimited, match="HTTP 429"):
        ask(breaker, limited)
    assert breaker.state is BreakerState.OPEN
    assert 30 <= breaker.seconds_left <= 60
    assert breaker.until == TODAY + timedelta(seconds=breaker.seconds_left)
    for refused in (breaker.check, lambda: ask(breaker)):
        with pytest.raises(CircuitOpen):
            refused()
    assert breaker.snapshot().rate_limits == 1
    clock.now += breaker.seconds_left
    assert breaker.state is BreakerState.HALF_OPEN
    breaker.check()


def test_half_open_one_request_decides_and_an_answer_closes(breaker: CircuitBreaker, clock: Clock) -> None:
    """A second request at the same time is refused; after the answer all are sent, and waits are short."""
    breaker.record_rate_limit()
    clock.now += breaker.seconds_left
    with breaker.request(), pytest.raises(CircuitOpen):
        ask(breaker)
    assert breaker.snapshot() == (BreakerState.CLOSED, None, 1)
    ask(breaker)
    breaker.record_rate_limit()
    assert breaker.seconds_left <= 60


def test_another_limit_doubles_the_wait(breaker: CircuitBreaker, clock: Clock) -> None:
    """Up to five minutes, with jitter: never the same wait twice."""
    waits = []
    for _ in range(6):
        with pytest.raises(RateLimited):
            ask(breaker, limited)
        waits.append(breaker.seconds_left)
        clock.now += breaker.seconds_left
    for wait, longest in zip(waits, (60, 120, 240, 300, 300, 300), strict=True):
        assert longest / 2 <= wait <= longest
    assert len(set(waits)) == len(waits)
    assert breaker.snapshot().rate_limits == 6


def test_half_open_another_fault_decides_nothing(breaker: CircuitBreaker, clock: Clock) -> None:
    """A 502 says nothing about the limit: the next request tests it."""
    breaker.record_rate_limit()
    clock.now += breaker.seconds_left
    with pytest.raises(ServerError):
        ask(breaker, failed)
    assert breaker.state is BreakerState.HALF_OPEN
    ask(breaker)
    assert breaker.state is BreakerState.CLOSED


def test_what_was_under_way_neither_closes_nor_prolongs(breaker: CircuitBreaker) -> None:
    """Four requests of one poll meet one limit, not four; an answer sent before it proves nothing."""
    with breaker.request():
        breaker.record_rate_limit()
        left = breaker.seconds_left
    assert (breaker.state, breaker.seconds_left) == (BreakerState.OPEN, left)
    for _ in range(3):
        breaker.record_rate_limit()
    assert breaker.seconds_left == pytest.approx(left)
    assert breaker.snapshot().rate_limits == 1


def test_an_answer_that_is_late_does_not_close_what_has_opened_since(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    """Half open twice: the first request's answer comes when the second has been limited already."""
    breaker.record_rate_limit()
    clock.now += breaker.seconds_left
    with breaker.request():
        breaker.record_rate_limit()
        clock.now += breaker.seconds_left
        with pytest.raises(RateLimited), breaker.request():
            limited()
    assert breaker.state is BreakerState.OPEN


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [(1, 30, 60), (200, 200, 220), (10**9, MAX_RETRY_AFTER, MAX_RETRY_AFTER * 1.1)],
)
def test_retry_after_is_honoured_within_reason(
    breaker: CircuitBreaker, asked: int, least: int, most: float
) -> None:
    """Never less than Yahoo asks for, a little more as jitter, an hour at most."""
    with pytest.raises(RateLimited):
        ask(breaker, lambda: limited(asked))
    assert least <= breaker.seconds_left <= most


def test_a_longer_wish_prolongs_an_open_breaker(breaker: CircuitBreaker) -> None:
    """The second of two parallel answers may ask for more."""
    breaker.record_rate_limit()
    breaker.record_rate_limit(500)
    assert breaker.seconds_left >= 500
    breaker.record_rate_limit(1)
    assert breaker.seconds_left >= 500


def test_a_stopped_request_leaves_the_breaker_as_it_was(breaker: CircuitBreaker, clock: Clock) -> None:
    """The next request tests the limit."""
    breaker.record_rate_limit()
    clock.now += breaker.seconds_left
    with pytest.raises(SourceStopped), breaker.request():
        raise SourceStopped
    ask(breaker)
    assert breaker.state is BreakerState.CLOSED


events = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from([None, "limit", "fault"])),
        st.tuples(st.just("pass"), st.floats(0, 400)),
        st.tuples(st.just("retry"), st.floats(0.1, 1e6)),
    ),
    max_size=40,
)


@patient
@given(events, st.integers())
def test_while_it_is_open_nothing_is_sent(steps: list[tuple[str, object]], seed: int) -> None:
    """Whatever happens: after each limit, no request before the time it said, and one decides then."""
    clock = Clock()
    breaker = CircuitBreaker(30, rng=Random(seed), clock=clock, wall_clock=lambda: TODAY)
    silent_until = 0.0
    for kind, value in steps:
        if kind == "pass":
            clock.now += float(str(value))
            continue
        try:
            with breaker.request():
                assert clock.now >= silent_until
                if kind == "retry" or value == "limit":
                    limited(float(str(value)) if kind == "retry" else None)
                if value == "fault":
                    failed()
            assert breaker.state is BreakerState.CLOSED
        except CircuitOpen:
            assert breaker.seconds_left > 0
        except RateLimited as fault:
            silent_until = clock.now + max(30.0, min(fault.retry_after or 0, MAX_RETRY_AFTER))
            assert breaker.state is BreakerState.OPEN
        except ServerError:
            assert breaker.state is not BreakerState.OPEN


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
        (None, None),
        (b"120", None),
        ("soon", None),
        ("99999999999999", None),
        ("Mon, 02 Mar 2026 15:02:00 GMT", 120),
        ("Mon, 02 Mar 2026 15:02:00 -0000", 120),
        ("Mon, 02 Mar 2026 14:59:00 GMT", None),
        ("Mon, 99 Mar 2026 14:59:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: object, seconds: float | None) -> None:
    """A past date or an invalid value gives None."""
    assert parse_retry_after(header, TODAY) == seconds


@patient
@given(st.text(max_size=40))
def test_no_header_does_any_harm(header: str) -> None:
    """Whatever a server sends, the result is above zero or None."""
    found = parse_retry_after(header, TODAY)
    assert found is None or found > 0


@patient
@given(
    st.floats(1, 6000),
    st.lists(st.tuples(st.floats(0, 30), st.integers(0, 3)), min_size=1, max_size=80),
)
def test_no_span_of_time_holds_more_requests_than_allowed(
    per_minute: float, steps: list[tuple[float, int]]
) -> None:
    """From any request to any other: what the rate gives in that time and a burst, and one more."""
    clock = Clock()
    limiter = RateLimiter(per_minute, clock)
    begun: list[float] = []
    for pause, extra in steps:
        clock.now += pause
        clock.now += limiter.reserve()
        limiter.charge(extra)
        begun += [clock.now] * (1 + extra)
    for first in range(len(begun)):
        for last in range(first, len(begun)):
            span = begun[last] - begun[first]
            # What was charged after the fact is over the limit at once, and made up for by waiting.
            allowed = (span + BURST_SECONDS) * per_minute / 60 + 1 + 3
            assert last - first + 1 <= allowed + 1e-6


def test_a_limiter_paces_threads_together_and_lets_a_pause_burst(clock: Clock) -> None:
    """At 60 a minute ten go at once, then one a second, whoever asks."""
    limiter = RateLimiter(60, clock)
    waits: list[float] = []
    threads = [Thread(target=lambda: waits.append(limiter.reserve())) for _ in range(15)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == [0.0] * 11 + [1.0, 2.0, 3.0, 4.0]
    clock.now += 1000
    assert limiter.reserve() == 0
    limiter.charge(30)
    assert limiter.reserve() == pytest.approx(21)


def test_waiting_for_a_turn_ends_when_the_program_stops() -> None:
    """A slow rate does not delay the end, in the thread of a request either."""
    limiter, stop = RateLimiter(1e-3), Event()
    limiter.wait(stop)
    stop.set()
    with pytest.raises(SourceStopped):
        limiter.wait(stop)
    pool: RequestPool[None] = RequestPool()
    with pytest.raises(SourceStopped):
        pool.call(lambda: limiter.wait(stop), stop)
    pool.close()


def test_calls_run_at_once_up_to_the_bound_and_keep_their_order() -> None:
    """Three of twelve at a time; an error of one is its own result, and the others have theirs."""
    pool: RequestPool[int] = RequestPool(3)
    both, running, most = Event(), [], []

    def call(number: int) -> int:
        running.append(number)
        most.append(at_once := len(running))
        if at_once >= 3:
            both.set()
        assert both.wait(60)
        running.remove(number)
        if number == 5:
            raise ServerError(502)
        return number

    found = pool.call_all([lambda number=number: call(number) for number in range(12)], Event())
    pool.close()
    assert [str(each) for each in found[5:6]] == ["Yahoo's server failed (HTTP 502)"]
    assert [each for each in found if isinstance(each, int)] == [n for n in range(12) if n != 5]
    assert max(most) == 3


def test_a_call_that_hangs_holds_up_the_others_for_no_longer_than_patience() -> None:
    """Finished calls come in their order, the rest as they finish; nothing is lost or repeated."""
    pool: RequestPool[int] = RequestPool(3)
    hanging = Event()

    def hang() -> int:
        assert hanging.wait(60)
        return 0

    groups = pool.call_in_groups([hang, lambda: 1, lambda: 2], Event(), max_wait=0.05)
    early = [next(groups)]
    while sum(map(len, early)) < 2:  # one of the two may be late as well
        early.append(next(groups))
    assert [list(group) for group in early] == [sorted(group) for group in early]
    assert {place: answer for group in early for place, answer in group.items()} == {1: 1, 2: 2}
    hanging.set()
    assert list(groups) == [{0: 0}]
    patient = pool.call_in_groups([lambda: 1, lambda: 2], Event())
    assert list(patient) == [{0: 1, 1: 2}]
    assert list(pool.call_in_groups([], Event())) == []
    pool.close()


@pytest.fixture
def schedule(clock: Clock) -> SymbolSchedule:
    """Three symbols, polled every 30 s."""
    return SymbolSchedule(["AAPL", "NOPE", "IBM"], interval=30, max_unknown_interval=3600, clock=clock)


def asked(schedule: SymbolSchedule) -> list[tuple[list[str], bool]]:
    """Return the due requests."""
    return [(list(symbols), unknown) for symbols, unknown in schedule.due_requests()]


def test_an_unknown_symbol_is_asked_for_apart_and_ever_more_rarely(
    schedule: SymbolSchedule, clock: Clock
) -> None:
    """After a minute, two, four, up to an hour; the others at every poll, in a request without it."""
    assert asked(schedule) == [(["AAPL", "NOPE", "IBM"], False)]
    schedule.record(["AAPL", "NOPE", "IBM"], {"NOPE"})
    assert schedule.unknown == ("NOPE",)
    gaps, since = [], clock.now
    for _ in range(2000):
        clock.now += 30
        requests = asked(schedule)
        assert requests[0] == (["AAPL", "IBM"], False)
        if requests[1:]:
            assert requests[1:] == [(["NOPE"], True)]
            gaps.append(clock.now - since)
            since = clock.now
            schedule.record(["AAPL", "IBM", "NOPE"], {"NOPE"})
    assert gaps[:8] == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert set(gaps[8:]) == {3600}


def test_a_symbol_that_is_known_again_is_back_with_the_others(schedule: SymbolSchedule, clock: Clock) -> None:
    """It stays there whatever is missing in later answers."""
    schedule.record(["AAPL", "NOPE", "IBM"], {"NOPE"})
    clock.now += 60
    schedule.record(["NOPE"], set())
    assert asked(schedule) == [(["AAPL", "NOPE", "IBM"], False)]
    schedule.record(["AAPL", "NOPE", "IBM"], {"NOPE", "IBM"})
    assert asked(schedule) == [(["AAPL", "NOPE", "IBM"], False)]
    assert schedule.unknown == ()


def test_nothing_is_asked_while_all_unknown_symbols_rest(clock: Clock) -> None:
    """Sending no request is not an error."""
    schedule = SymbolSchedule(["NOPE"], interval=30, clock=clock)
    schedule.record(["NOPE"], {"NOPE"})
    assert asked(schedule) == []


def test_symbols_may_change_while_running(schedule: SymbolSchedule, clock: Clock) -> None:
    """Remaining symbols keep their state, removed ones are forgotten, new ones are requested at once."""
    schedule.record(["AAPL", "NOPE", "IBM"], {"NOPE"})
    schedule.set_symbols(["IBM", "NOPE", "MSFT"])
    assert asked(schedule) == [(["IBM", "MSFT"], False)]
    schedule.set_symbols(["MSFT"])
    schedule.set_symbols(["MSFT", "NOPE"])
    assert asked(schedule) == [(["MSFT", "NOPE"], False)]


class Limited:
    """A client that is always rate-limited, and records the symbols it was called with."""

    def __init__(self, breaker: CircuitBreaker) -> None:
        self.breaker = breaker
        self.asked: list[Sequence[str]] = []

    def quotes(self, symbols: Sequence[str], stop: Event) -> list[object]:
        self.asked.append(symbols)
        raise RateLimited


def test_after_a_limit_one_request_decides_whether_the_others_are_sent(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    """After another limit the others are not sent, even if the new wait is short."""
    symbols = [f"SYM{number}" for number in range(1000)]
    breaker.record_rate_limit()
    clock.now += breaker.seconds_left
    client, pool = Limited(breaker), RequestPool(4)
    poller = Poller(
        client, SymbolSchedule(symbols, interval=30, clock=clock), QuoteTracker(symbols), lambda: TODAY
    )
    [outcome] = poller.poll(pool, Event())
    pool.close()
    assert client.asked == split_symbols(symbols)[:1]
    assert outcome.is_rate_limited
    assert list(outcome.failed_symbols) == symbols


names = st.integers(1, 40).map(lambda count: [f"S{number}" for number in range(count)])


@patient
@given(names, st.data())
def test_every_symbol_is_in_one_request_unless_it_rests(symbols: list[str], data: st.DataObject) -> None:
    """Whatever the answers: no symbol twice, none forgotten, none postponed for over an hour."""
    clock = Clock()
    schedule = SymbolSchedule(symbols, interval=30, clock=clock)
    last = dict.fromkeys(symbols, clock.now)
    for _ in range(data.draw(st.integers(1, 12))):
        requests = schedule.due_requests()
        asked_for = [symbol for request in requests for symbol in request.symbols]
        assert len(asked_for) == len(set(asked_for))
        assert set(symbols) - set(asked_for) <= set(schedule.unknown)
        last.update(dict.fromkeys(asked_for, clock.now))
        assert all(clock.now - moment <= 3600 + 1800 for moment in last.values())
        if asked_for:
            schedule.record(asked_for, set(data.draw(st.lists(st.sampled_from(asked_for)))))
        clock.now += data.draw(st.floats(0, 1800))

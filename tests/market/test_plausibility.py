"""The plausibility check of live quotes."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.market.plausibility import (
    CLOCK_TOLERANCE,
    CONFIRMATIONS,
    Action,
    Judgement,
    PlausibilityChecker,
    QuoteIssue,
)
from stockctl.market.quote import Quote
from stockctl.market.timestamp import format_timestamp
from support.quote_strategies import examples

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def quote(
    price: object, seconds: float = 0, *, symbol: str = "VOD.L", close: object = 72, before: timedelta = DAY
) -> Quote:
    """Return a quote so many seconds after a time before ``NOW``."""
    time = format_timestamp(NOW - before + timedelta(seconds=seconds))
    known = None if close is None else Decimal(str(close))
    return Quote(symbol, time, Decimal(str(price)), known, None, None, None, None, "test", None)


def judged(plausibility: PlausibilityChecker, quotes: Iterable[Quote]) -> list[str]:
    """Return the action for each of the quotes."""
    return [plausibility.judge(each, NOW).action for each in quotes]


def issues(plausibility: PlausibilityChecker) -> dict[str, int]:
    """Return the counters that are not zero."""
    return {issue: count for issue, count in plausibility.counts.items() if count}


def test_sound_quotes_are_taken_and_nothing_is_counted() -> None:
    """A price may halve, double and stay; a second quote with the same time is accepted, too."""
    given = PlausibilityChecker()
    quotes = [quote(72), quote(73, 1), quote(36, 2), quote(140, 3), quote(140, 4), quote(139, 4)]
    assert judged(given, quotes) == ["accept"] * 6
    assert issues(given) == {}
    assert set(given.counts) == set(QuoteIssue)


@pytest.mark.parametrize("factor", ["100", "0.01", "1000", "0.001", "87.3", "50", "0.02"])
def test_a_price_in_another_unit_is_refused_with_both_prices(factor: str) -> None:
    """Pence for pounds, and pounds for pence; the next price in the old unit is accepted."""
    given = PlausibilityChecker()
    wrong = Decimal(72) * Decimal(factor)
    assert judged(given, [quote(72)]) == ["accept"]
    judgement = given.judge(quote(wrong, 30), NOW)
    assert (judgement.action, judgement.issue, judgement.accepted) == (Action.REJECT, QuoteIssue.SCALE, False)
    shown = format(wrong.normalize(), "f")
    larger = format(float(max(Decimal(factor), 1 / Decimal(factor))), "g")
    assert judgement.reason == (
        f"price {shown} is off by a factor of {larger} from the last price, 72: probably a wrong unit; "
        "accepted if the new price level persists"
    )
    assert judged(given, [quote(72.5, 60)]) == ["accept"]
    assert issues(given) == {"scale": 1}


@pytest.mark.parametrize("factor", ["49.9", "0.021", "1"])
def test_a_large_move_is_no_other_unit(factor: str) -> None:
    """A factor far from 100 is a real move."""
    given = PlausibilityChecker()
    assert judged(given, [quote(72), quote(Decimal(72) * Decimal(factor), 30)]) == ["accept", "accept"]


def test_a_level_that_stays_is_taken_in_the_end() -> None:
    """A 1:100 split must not block a symbol: three later quotes over a minute confirm it."""
    given = PlausibilityChecker()
    at_level = [quote(0.72, 30), quote(0.73, 60), quote(0.71, 75), quote(0.74, 90), quote(0.75, 120)]
    assert judged(given, [quote(72), *at_level]) == ["accept", "reject", "reject", "reject", "flag", "accept"]
    assert issues(given) == {"scale": 3, "rescaled": 1}
    assert judged(given, [quote(72, 150)]) == ["reject"]


def test_what_is_taken_after_all_says_why() -> None:
    """The log shows whether it was a split or an error."""
    given = PlausibilityChecker()
    *_, judgement = [given.judge(each, NOW) for each in [quote(72), *(quote(1, 30 * n) for n in range(1, 5))]]
    assert judgement == Judgement(
        Action.FLAG,
        QuoteIssue.RESCALED,
        "price 1 is off by a factor of 72 from the last price, 72; accepted because the new price level "
        "persists or the previous close confirms it",
    )


def test_many_quotes_in_a_few_seconds_are_no_proof() -> None:
    """Otherwise a feed with ten quotes a second would confirm its own error at once."""
    given = PlausibilityChecker()
    assert set(judged(given, [quote(72), *(quote(0.72, 1 + n / 10) for n in range(500))])[1:]) == {"reject"}
    assert judged(given, [quote(0.72, 61)]) == ["flag"]


def test_a_quote_at_the_old_level_makes_the_new_one_begin_anew() -> None:
    """A feed that switches between two levels is wrong, however often it does so."""
    given = PlausibilityChecker()
    quotes = [quote(72 if n % CONFIRMATIONS == 0 else 0.72, 60 * n) for n in range(30)]
    assert judged(given, quotes) == ["accept", "reject", "reject"] * 10


def test_a_second_wrong_level_does_not_confirm_the_first() -> None:
    """Prices must agree with each other to confirm a level."""
    given = PlausibilityChecker()
    wrong = [quote(price, 60 * (n + 1)) for n, price in enumerate([0.72, 7200, 0.72, 7200, 0.72, 7200])]
    assert set(judged(given, [quote(72), *wrong])[1:]) == {"reject"}


def test_the_same_quote_again_is_no_confirmation_and_counted_once() -> None:
    """A closed market with a wrong price is polled many times; the reason stays the same, too."""
    given = PlausibilityChecker()
    given.judge(quote(72), NOW)
    judgements = {given.judge(quote(7200, 30), NOW + timedelta(minutes=n)) for n in range(100)}
    assert [judgement.action for judgement in judgements] == ["reject"]
    assert issues(given) == {"scale": 1}


@pytest.mark.parametrize(
    ("close", "hours", "action"),
    [("0.71", 17, "flag"), ("0.71", 3.9, "reject"), ("72", 17, "reject"), (None, 17, "reject")],
)
def test_the_previous_close_proves_a_split_over_night(close: str | None, hours: float, action: str) -> None:
    """Only after a break, and only if it agrees: within a session both are in the wrong unit."""
    given = PlausibilityChecker()
    quotes = [quote(72), quote(0.72, hours * 3600, close=close)]
    assert judged(given, quotes) == ["accept", action]
    assert issues(given) == {"rescaled" if action == "flag" else "scale": 1}


def test_a_time_in_the_future_is_refused_and_does_not_hold_up_what_follows() -> None:
    """Clocks may be slightly wrong; the reason does not contain the current time."""
    given = PlausibilityChecker()
    ahead = quote(72, 301, before=timedelta())
    judgements = {given.judge(ahead, NOW), given.judge(ahead, NOW + timedelta(milliseconds=999))}
    assert judgements == {
        Judgement(
            Action.REJECT,
            QuoteIssue.FUTURE,
            "timestamp 2026-03-02T15:05:01.000Z is more than 5 minutes ahead of this machine's clock",
        )
    }
    assert judged(given, [quote(72, 299.9, before=timedelta())]) == ["accept"]
    assert given.judge(ahead, NOW + timedelta(seconds=1)).action == "accept"
    assert issues(given) == {"future": 2}


def test_a_time_that_goes_backwards_is_dropped_per_symbol() -> None:
    """Each symbol has its own last time."""
    given = PlausibilityChecker()
    quotes = [quote(72, 60), quote(72, 59.999), quote(72, 1, symbol="BP.L"), quote(72, 60)]
    assert judged(given, quotes) == ["accept", "drop", "accept", "accept"]
    assert issues(given) == {"backwards": 1}
    assert given.judge(quote(72), NOW).reason == (
        "timestamp 2026-03-01T15:00:00.000Z is before that of the last quote, 2026-03-01T15:01:00.000Z"
    )


def test_an_unknown_previous_close_is_flagged_and_stays_unknown() -> None:
    """It is counted, and the quote is not changed."""
    given = PlausibilityChecker()
    unknown = quote(72, close=None)
    assert given.judge(unknown, NOW).accepted
    assert unknown.previous_close is None
    assert issues(given) == {"no_previous_close": 1}


def test_what_was_no_quote_is_counted_with_the_rest() -> None:
    """A source reports what it could not read."""
    given = PlausibilityChecker()
    given.count(QuoteIssue.UNREADABLE)
    given.count(QuoteIssue.UNREADABLE, 2)
    assert issues(given) == {"unreadable": 3}


def test_memory_is_bounded_by_forgetting_the_quietest_symbol() -> None:
    """New symbols without end use bounded memory; an active symbol is remembered."""
    given = PlausibilityChecker(max_symbols=3)
    for number in range(1, 100):
        new = [quote(72, number, symbol="BUSY"), quote(72, number, symbol=f"S{number}")]
        assert judged(given, new) == ["accept", "accept"]
        assert judged(given, [quote(72, 0, symbol="BUSY")]) == ["drop"]
    assert judged(given, [quote(1, 0, symbol="S99")]) == ["drop"]
    assert judged(given, [quote(72, 0, symbol="S1")]) == ["accept"]


def test_the_counters_are_a_copy() -> None:
    """A reader cannot change them, and they do not change while they are read."""
    given = PlausibilityChecker()
    before = given.counts
    judged(given, [quote(72, close=None)])
    assert before[QuoteIssue.NO_PREVIOUS_CLOSE] == 0


steps = st.lists(
    st.tuples(
        st.sampled_from(["A", "B"]),
        st.sampled_from([0.01, 0.02, 1, 1.1, 2, 49, 51, 100]),
        st.integers(-50, 100_000),
        st.booleans(),
    ),
    max_size=60,
)


@examples(200)
@given(steps)
def test_whatever_comes_what_is_taken_is_in_order_and_every_quote_has_one_answer(
    given_steps: list[tuple[str, float, int, bool]],
) -> None:
    """Times of accepted quotes never go back, nor are they in the future; a price jump is always flagged."""
    plausibility, taken, clock = PlausibilityChecker(), {}, 0
    for symbol, factor, pause, has_close in given_steps:
        clock += pause
        each = quote(100 * factor, clock / 1000, symbol=symbol, close=90 if has_close else None)
        judgement = plausibility.judge(each, NOW)
        assert judgement.accepted is (judgement.action in ("accept", "flag"))
        assert bool(judgement.reason) is (judgement.action != "accept")
        last = taken.get(symbol)
        if judgement.accepted:
            assert each.timestamp <= format_timestamp(NOW + CLOCK_TOLERANCE)
            assert last is None or each.timestamp >= last.timestamp
            jumped = last is not None and not 1 / 50 < float(each.price / last.price) < 50
            assert (judgement.issue is QuoteIssue.RESCALED) is jumped
            taken[symbol] = each
        else:
            assert last is not None


@examples(200)
@given(st.floats(1e-6, 1e9), st.floats(1e-6, 1e9), st.floats(0.75, 1.3))
def test_no_level_is_refused_for_ever(old: float, new: float, drift: float) -> None:
    """Whatever the old price, a new one that lasts is accepted after four quotes at the latest."""
    given = PlausibilityChecker()
    prices = [old, new, new * drift, new, new * drift, new]
    actions = judged(given, [quote(f"{max(price, 1e-6):.6f}", 60 * n) for n, price in enumerate(prices)])
    assert actions[4] in ("accept", "flag")
    assert actions[5] == "accept"

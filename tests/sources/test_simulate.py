"""The simulated market: repeatable, plausible, endless."""

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from decimal import Decimal
from itertools import accumulate, islice, pairwise
from statistics import fmean, pstdev
from threading import Event, Timer
from time import monotonic
from zoneinfo import ZoneInfo

import pytest

from stockctl.errors import UsageError
from stockctl.market.errors import InvalidQuote
from stockctl.market.quote import Quote, decode_record, encode_quote
from stockctl.sources.simulate import DEFAULT_START, SimulateSource
from support.paths import REPOSITORY

NEW_YORK = ZoneInfo("America/New_York")
SESSION = 391
FIVE = ["AAPL", "MSFT", "GOOGL", "AMZN", "NVDA"]


def take(source: SimulateSource, ticks: int) -> list[Sequence[Quote]]:
    """Return the first ticks of a source."""
    return list(islice(source.ticks(Event()), ticks))


def body(ticks: list[Sequence[Quote]]) -> bytes:
    """Return the bytes of all quotes."""
    return b"\n".join(encode_quote(quote) for tick in ticks for quote in tick)


def local(quote: Quote) -> datetime:
    """Return the time of a quote in New York."""
    return datetime.fromisoformat(quote.timestamp).astimezone(NEW_YORK)


@pytest.fixture(scope="module")
def sessions() -> list[list[Quote]]:
    """Sixty sessions of each of five symbols, one list of quotes for a symbol and session."""
    grouped = defaultdict(list)
    for tick in take(SimulateSource(FIVE), 60 * SESSION):
        for quote in tick:
            grouped[quote.symbol, local(quote).date()].append(quote)
    return list(grouped.values())


def test_the_same_arguments_give_the_same_bytes_in_any_process() -> None:
    """Neither the hashes of a process nor a second run change a byte."""
    program = (
        "import sys; from threading import Event; from itertools import islice\n"
        "from stockctl.sources.simulate import SimulateSource\n"
        "from stockctl.market.quote import encode_quote\n"
        "ticks = islice(SimulateSource(['AAPL', 'MSFT'], seed=7).ticks(Event()), 500)\n"
        "sys.stdout.buffer.write(b'\\n'.join(encode_quote(quote) for tick in ticks for quote in tick))"
    )
    expected = body(take(SimulateSource(["AAPL", "MSFT"], seed=7), 500))
    for hashes in ("1", "2"):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": hashes,
            "PYTHONPATH": str(REPOSITORY),
        }
        run = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, check=True, timeout=60
        )
        assert run.stdout == expected


def test_a_symbols_path_does_not_depend_on_its_company() -> None:
    """One symbol alone, among others, in another order or named twice: the same quotes."""
    alone = [tick[0] for tick in take(SimulateSource(["MSFT"]), 800)]
    among = [tick[3] for tick in take(SimulateSource(["IBM", "AAPL", "IBM", "NVDA", "msft"]), 800)]
    assert alone == among


def test_another_seed_or_symbol_is_another_path() -> None:
    """Their prices are independent."""
    paths = [
        [tick[0].price for tick in take(SimulateSource([symbol], seed=seed), 50)]
        for symbol, seed in (("AAPL", 1), ("AAPL", 2), ("MSFT", 1))
    ]
    assert paths[0] != paths[1] != paths[2] != paths[0]


@pytest.mark.slow
def test_every_quote_keeps_the_contract(sessions: list[list[Quote]]) -> None:
    """A quote is decoded to the same quote, with the right source."""
    for quote in sessions[0] + sessions[-1]:
        assert decode_record(encode_quote(quote)).quote == quote
        assert (quote.source, quote.observed_at) == ("simulate", None)


@pytest.mark.slow
def test_sessions_are_those_of_new_york(sessions: list[list[Quote]]) -> None:
    """Monday to Friday, 09:30 to 16:00, a quote each minute, every weekday in turn."""
    for session in sessions:
        times = [local(quote) for quote in session]
        assert times[0].weekday() < 5
        assert (times[0].time(), times[-1].time(), len(times)) == (time(9, 30), time(16), SESSION)
        assert {later - earlier for earlier, later in pairwise(times)} == {timedelta(minutes=1)}
    dates = [local(session[0]).date() for session in sessions if session[0].symbol == "AAPL"]
    assert dates[0].isoformat() == "2026-01-05"
    assert {(later - earlier).days for earlier, later in pairwise(dates)} == {1, 3}
    assert len(dates) == 60


@pytest.mark.parametrize(
    ("start", "first", "next_open"),
    [
        ("2026-03-06T21:00:00.000Z", "2026-03-06T21:00:00.000Z", "2026-03-09T13:30:00.000Z"),
        ("2026-10-30T20:00:00.000Z", "2026-10-30T20:00:00.000Z", "2026-11-02T14:30:00.000Z"),
        ("2026-03-07T12:00:00.000Z", "2026-03-09T13:30:00.000Z", "2026-03-09T13:31:00.000Z"),
        ("2026-01-05T00:00:00.000Z", "2026-01-05T14:30:00.000Z", "2026-01-05T14:31:00.000Z"),
        ("2026-01-05T21:00:00.001Z", "2026-01-06T14:30:00.000Z", "2026-01-06T14:31:00.000Z"),
        ("2026-01-05T20:59:30.000Z", "2026-01-05T20:59:30.000Z", "2026-01-06T14:30:00.000Z"),
    ],
)
def test_a_start_outside_a_session_waits_for_the_next(start: str, first: str, next_open: str) -> None:
    """Nights, weekends and both changes of the clock."""
    ticks = take(SimulateSource(["AAPL"], start=start), 2)
    assert [tick[0].timestamp for tick in ticks] == [first, next_open]


def test_session_figures_are_of_the_session_so_far(sessions: list[list[Quote]]) -> None:
    """Open, high, low and volume grow from the quotes; the previous close is the last price before."""
    closes: dict[str, Decimal] = {}
    for session in sessions:
        prices = [quote.price for quote in session]
        highs, lows = accumulate(prices, max), accumulate(prices, min)
        for quote, high, low in zip(session, highs, lows, strict=True):
            assert (quote.open, quote.high, quote.low) == (prices[0], high, low)
            assert quote.previous_close == closes.get(quote.symbol, quote.previous_close)
            assert quote.previous_close is not None
        volumes = [quote.volume or 0 for quote in session]
        assert volumes == sorted(volumes)
        assert 0 < volumes[0] < volumes[-1] / 20
        closes[session[0].symbol] = prices[-1]


@pytest.mark.slow
def test_prices_are_in_cents_and_far_from_zero() -> None:
    """Above a dollar in cents, below in hundredths of a cent, over many years and with the largest step."""
    for tick in take(SimulateSource([f"S{n}" for n in range(40)], step=23400), 2500):
        for quote in tick:
            places = 2 if quote.price >= 1 else 4
            assert quote.price == round(quote.price, places)
            assert Decimal("0.01") < quote.price < 100_000


def test_the_ends_of_a_session_are_livelier_than_its_middle(sessions: list[list[Quote]]) -> None:
    """Volatility and volume are shaped like a U."""

    def activity(first: int, last: int) -> tuple[float, float]:
        moves, volumes = [], []
        for session in sessions:
            for earlier, later in pairwise(session[first : last + 1]):
                moves.append(abs(float(later.price / earlier.price) - 1))
                volumes.append(((later.volume or 0) - (earlier.volume or 0)) / (session[-1].volume or 1))
        return sorted(moves)[len(moves) // 2], fmean(volumes)

    (early, early_volume), (noon, noon_volume), (late, late_volume) = (
        activity(0, 60),
        activity(165, 225),
        activity(330, 390),
    )
    assert early > 1.5 * noon
    assert late > 1.5 * noon
    assert early_volume > 1.5 * noon_volume
    assert late_volume > 1.5 * noon_volume


def test_days_move_like_days_of_shares(sessions: list[list[Quote]]) -> None:
    """A day's deviation is a few percent, nights leave gaps, and neither direction is preferred."""
    days = [float(session[-1].price / (session[0].previous_close or 1)) - 1 for session in sessions]
    nights = [float(session[0].price / (session[0].previous_close or 1)) - 1 for session in sessions]
    assert 0.01 < pstdev(days) < 0.05
    assert 0.003 < pstdev(nights) < 0.03
    assert abs(fmean(days)) < 0.01


def test_anomalies_happen_now_and_then(sessions: list[list[Quote]]) -> None:
    """In one to twenty sessions of a hundred the price is more than 5 % off its previous close."""
    moves = [
        max((quote.price / (quote.previous_close or 1) - 1 for quote in session), key=abs)
        for session in sessions
    ]
    odd = [move for move in moves if abs(move) > Decimal("0.05")]
    assert 0.01 < len(odd) / len(sessions) < 0.2
    assert min(odd) < 0 < max(odd)


def test_news_comes_at_night_both_good_and_bad() -> None:
    """About one night in twenty-five leaves a gap that no ordinary night would, up or down alike."""
    ticks = take(SimulateSource([f"S{number}" for number in range(40)], step=23400), 400)
    nights = [quote.price / (quote.previous_close or 1) - 1 for tick in ticks[::2] for quote in tick]
    up = sum(night > Decimal("0.045") for night in nights) / len(nights)
    down = sum(night < Decimal("-0.045") for night in nights) / len(nights)
    assert 0.01 < up < 0.03
    assert 0.01 < down < 0.03


def test_many_symbols_cost_little() -> None:
    """Ten thousand symbols come in one tick, all different."""
    source = SimulateSource([f"S{number}" for number in range(10_000)])
    [first, second] = take(source, 2)
    assert len({quote.symbol for quote in first}) == 10_000
    assert len({quote.price for quote in first}) > 5000
    assert sum(one.price != two.price for one, two in zip(first, second, strict=True)) > 5000


def test_it_is_endless_and_ends_when_told() -> None:
    """It expects no number of quotes; a stop ends it at the next tick."""
    stop = Event()
    source = SimulateSource(["AAPL"])
    assert source.expected is None
    ticks = source.ticks(stop)
    assert len(list(islice(ticks, 1000))) == 1000
    stop.set()
    assert list(ticks) == []


def test_speed_is_kept() -> None:
    """Steps of 60 s at 3,000 times the market's pace are 20 ms each, and the night between takes no time."""
    source = SimulateSource(["AAPL"], start="2026-01-05T20:58:00.000Z", speed=3000)
    begun = monotonic()
    ticks = take(source, 11)
    assert monotonic() - begun >= 0.2
    assert ticks[-1][0].timestamp == "2026-01-06T14:37:00.000Z"


def test_a_slow_market_ends_soon_after_it_is_told_to() -> None:
    """A wait for a minute of market time ends at once."""
    stop = Event()
    Timer(0.05, stop.set).start()
    begun = monotonic()
    assert len(list(SimulateSource(["AAPL"], speed=1).ticks(stop))) == 1
    assert monotonic() - begun < 30


def test_it_ends_where_the_calendar_ends() -> None:
    """The last session of the year 9999 is the last there is."""
    ticks = list(SimulateSource(["AAPL"], start="9999-12-31T20:59:00.000Z").ticks(Event()))
    assert [tick[0].timestamp for tick in ticks] == ["9999-12-31T20:59:00.000Z", "9999-12-31T21:00:00.000Z"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"symbols": []}, "There is no symbol to simulate."),
        ({"speed": -1}, "A speed of -1 is neither 0 nor 0.001 or more."),
        ({"speed": 1e-9}, "A speed of 1e-09 is neither"),
        ({"speed": float("nan")}, "A speed of nan is neither"),
        ({"speed": float("inf")}, "A speed of inf is neither"),
        ({"step": 0}, "A step of 0 s is not between 0.001 s and a session"),
        ({"step": 23401}, "A step of 23401 s is not between"),
        ({"step": float("nan")}, "A step of nan s is not between"),
        ({"start": "2026-01-05"}, "start '2026-01-05' is not a UTC time such as"),
        ({"start": "2026-02-30T00:00:00.000Z"}, "start '2026-02-30T00:00:00.000Z' is not"),
        ({"start": "1799-01-01T00:00:00.000Z"}, "A simulation cannot start in the year 1799"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    """The message has the value and the range."""
    with pytest.raises(UsageError) as caught:
        SimulateSource(**{"symbols": ["AAPL"], **arguments})
    assert caught.value.message.startswith(message)


def test_a_symbol_that_is_none_is_refused() -> None:
    """The message contains the symbol."""
    with pytest.raises(InvalidQuote, match="A B"):
        SimulateSource(["AAPL", "A B"])


def test_the_default_start_is_the_open_of_a_monday() -> None:
    """A run without arguments yields the same quotes on every machine and day."""
    [tick] = take(SimulateSource(["AAPL"]), 1)
    assert tick[0].timestamp == DEFAULT_START
    assert local(tick[0]).strftime("%A %H:%M") == "Monday 09:30"

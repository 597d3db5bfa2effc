"""The source ``simulate``: random quotes of an invented market that looks real.

Each symbol has its own random generator, seeded with the seed and its name, so that its prices do not depend
on the other symbols. Quotes are within regular sessions, 09:30 to 16:00 in New York, Monday to Friday;
holidays are ignored.
"""

import math
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from random import Random
from threading import Event
from typing import NamedTuple
from zoneinfo import ZoneInfo

from stockctl.errors import UsageError
from stockctl.market.errors import InvalidQuote
from stockctl.market.quote import Quote
from stockctl.market.symbol import parse_symbol
from stockctl.market.timestamp import NEW_YORK, format_timestamp, parse_timestamp, to_datetime
from stockctl.sources.base import Tick

SOURCE = "simulate"
DEFAULT_START = "2026-01-05T14:30:00.000Z"
"""A Monday, 09:30 in New York."""

_OPEN, _CLOSE = time_of_day(9, 30), time_of_day(16)
_SESSION = timedelta(hours=6, minutes=30)
_FIRST_YEAR = 1900
_MIN_SPEED = 0.001
_SATURDAY = 5
_ZONE = ZoneInfo(NEW_YORK)

# Chosen once for each symbol.
_PRICES = (8.0, 600.0)
_DAILY_VOLATILITY = (0.008, 0.025)
_DAILY_VOLUME = (2e5, 6e7)

_OVERNIGHT = 0.5  # volatility of a night, in days
_JUMP_CHANCE = 0.04  # per session; the same for the night before it
_JUMP_SIZES = (0.04, 0.12)
_MEAN_REVERSION = 0.005  # per night, back towards the first price, so that prices stay bounded
_VOLUME_SIGMA = 0.6


class SimulateSource:
    """An endless, repeatable stream: the same arguments give the same quotes, byte for byte.

    Args:
        symbols: the symbols to simulate.
        seed: another seed gives another market.
        start: the earliest timestamp of a quote, canonical; None is ``DEFAULT_START``. Outside a session
            the stream starts with the next one.
        step: seconds of market time between ticks, at least a thousandth.
        speed: the factor by which it is faster than real time; 0 is as fast as possible. Hours in which the
            market is closed are skipped.

    Raises:
        UsageError: an argument is out of range.
        InvalidQuote: a symbol has invalid characters.
    """

    name = SOURCE
    repeatable = True
    expected: int | None = None

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        seed: int = 1,
        start: str | None = None,
        step: float = 60.0,
        speed: float = 0.0,
    ) -> None:
        if not symbols:
            raise UsageError("There is no symbol to simulate.", "Pass some: --symbols AAPL,MSFT.")
        if speed != 0 and not _MIN_SPEED <= speed < math.inf:
            raise UsageError(
                f"A speed of {speed:g} is neither 0 nor {_MIN_SPEED:g} or more.",
                "0 is as fast as possible, 1 is real time, 60 is a minute a second.",
            )
        if not 0.001 <= step <= _SESSION.total_seconds():
            raise UsageError(
                f"A step of {step:g} s is not between 0.001 s and a session (23400 s).", "Try 60."
            )
        self._symbols = list(dict.fromkeys(map(parse_symbol, symbols)))
        self._seed = seed
        self._start = _parse_start(DEFAULT_START if start is None else start)
        self._step = timedelta(milliseconds=round(step * 1000))
        self._speed = speed

    def ticks(self, stop: Event) -> Iterator[Tick]:
        """Yield one quote of every symbol at each step of market time, until ``stop`` is set."""
        paths = [_PricePath(symbol, self._seed) for symbol in self._symbols]
        pacer = _Pacer(self._step.total_seconds(), self._speed)
        for moment in _ticks(self._start, self._step):
            if pacer.wait(stop):
                return
            yield [path.quote(moment) for path in paths]


class _Tick(NamedTuple):
    """A step of market time, and its share of a session's activity."""

    timestamp: str
    opens: bool
    """Whether it is the first step of its session."""
    share: float
    """Its share of the session's duration."""
    activity: float
    """1 on average: higher at the start and the end of a session than in its middle."""


def _ticks(start: datetime, step: timedelta) -> Iterator[_Tick]:
    """Yield the steps of every session from ``start`` on, to the end of the calendar."""
    share = step / _SESSION
    for day in range(start.astimezone(_ZONE).toordinal(), date.max.toordinal() + 1):
        opening = _utc(day, _OPEN)
        closing = _utc(day, _CLOSE)
        if date.fromordinal(day).weekday() >= _SATURDAY or closing < start:
            continue
        first = at = max(opening, start)
        while at <= closing:
            position = 2 * ((at - opening) / _SESSION) - 1
            yield _Tick(format_timestamp(at), at == first, share, 0.6 + 1.2 * position * position)
            at += step


def _utc(day: int, moment: time_of_day) -> datetime:
    return datetime.combine(date.fromordinal(day), moment, _ZONE).astimezone(UTC)


class _PricePath:
    """The prices of one symbol: a random walk of their logarithm, with nights, jumps and mean reversion."""

    __slots__ = (
        "_anchor",
        "_high",
        "_level",
        "_low",
        "_open",
        "_previous_close",
        "_price",
        "_rng",
        "_symbol",
        "_turnover",
        "_volatility",
        "_volume",
    )

    def __init__(self, symbol: str, seed: int) -> None:
        # Seeded with text, because hashes differ from process to process.
        self._rng = rng = Random(f"{seed}:{symbol}")  # noqa: S311 - no secret
        self._symbol = symbol
        self._anchor = self._level = rng.uniform(*map(math.log, _PRICES))
        self._volatility = rng.uniform(*_DAILY_VOLATILITY)
        self._turnover = math.exp(rng.uniform(*map(math.log, _DAILY_VOLUME)))
        self._price = _price(self._level)
        self._previous_close = self._open = self._high = self._low = self._price
        self._volume = 0

    def quote(self, moment: _Tick) -> Quote:
        """Advance to ``moment`` and return its quote."""
        if moment.opens:
            self._open_session()
        else:
            self._walk(moment)
        price = self._price
        if price > self._high:
            self._high = price
        elif price < self._low:
            self._low = price
        self._volume += self._traded(moment)
        return Quote(
            self._symbol,
            moment.timestamp,
            price,
            self._previous_close,
            self._open,
            self._high,
            self._low,
            self._volume,
            SOURCE,
            None,
        )

    def _open_session(self) -> None:
        self._previous_close = self._price
        reversion = _MEAN_REVERSION * (self._anchor - self._level)
        self._move(reversion + self._rng.gauss(0.0, _OVERNIGHT * self._volatility), _JUMP_CHANCE)
        self._open = self._high = self._low = self._price
        self._volume = 0

    def _walk(self, moment: _Tick) -> None:
        deviation = self._volatility * moment.activity * math.sqrt(moment.share)
        self._move(self._rng.gauss(0.0, deviation), _JUMP_CHANCE * moment.share)

    def _move(self, by: float, jump_chance: float) -> None:
        rng = self._rng
        if rng.random() < jump_chance:
            by += rng.uniform(*_JUMP_SIZES) * rng.choice((-1, 1))
        self._level += by
        self._price = _price(self._level)

    def _traded(self, moment: _Tick) -> int:
        noise = math.exp(self._rng.gauss(0.0, _VOLUME_SIGMA))
        return int(self._turnover * moment.share * moment.activity * noise)


def _price(level: float) -> Decimal:
    """Return the price of a logarithm: in cents, below a dollar in hundredths of a cent."""
    price = math.exp(level)
    if price >= 1:
        return Decimal(round(price * 100)).scaleb(-2)
    return Decimal(max(1, round(price * 10_000))).scaleb(-4)


class _Pacer:
    """Waits between ticks; late ticks are caught up, so that the average speed is right."""

    def __init__(self, step: float, speed: float) -> None:
        self._wait = step / speed if speed else 0.0
        self._due: float | None = None

    def wait(self, stop: Event) -> bool:
        """Wait for the next tick (the first is due at once), and return whether ``stop`` was set."""
        if not self._wait:
            return stop.is_set()
        now = time.monotonic()
        self._due = now if self._due is None else self._due + self._wait
        return stop.wait(max(0.0, self._due - now))


def _parse_start(start: str) -> datetime:
    try:
        moment = to_datetime(parse_timestamp(start, "start"))
    except InvalidQuote as reason:
        raise UsageError(f"{reason}.") from None
    if moment.year < _FIRST_YEAR:
        raise UsageError(f"A simulation cannot start in the year {moment.year}, before {_FIRST_YEAR}.")
    return moment

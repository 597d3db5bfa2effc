"""Reading what a producer left in its state file; whatever else is in that place is refused."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from stockctl.market.refusal import shown
from stockctl.market.timestamp import parse_timestamp

Figure = str | int | float

_MOST_BYTES = 1 << 16
_LAST_TIME = 253_402_300_799  # of the year 9999
_TEXTS = ("source", "failure", "delivery", "reason", "breaker", "market", "connection", "health", "hung")
_TIMES = ("breaker_until", "market_until")
_NUMBERS = (
    "symbols", "received", "sent", "waiting", "retried", "refused", "throttled", "uncertain", "dropped",
    "alerts", "reconnects", "lag_p50", "lag_p99",
)  # fmt: skip


class Left(NamedTuple):
    """What a producer left. Times are in seconds since 1970."""

    pid: int
    since: float
    written: float
    figures: Mapping[str, Figure]
    """By the names of ``Figures.fields``, ``reason``, ``hung`` and ``failure``; what is null is not there."""


def read_left(path: Path) -> Left | None:
    """Return what a producer left; None where there is no file.

    Raises:
        OSError: it cannot be read.
        ValueError: no producer wrote this; the text tells why.
    """
    try:
        # What is no file (a pipe, say) might keep whoever opens it waiting for ever.
        if path.exists() and not path.is_file():
            raise ValueError("it is no file")
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _understood(_object(text))


def _object(text: bytes) -> Mapping[str, object]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        return document
    raise ValueError("it holds no JSON object")


def _understood(document: Mapping[str, object]) -> Left:
    pid, written, seconds = (_number(name, document.get(name)) for name in ("pid", "time", "seconds"))
    if not isinstance(pid, int) or pid < 1 or not 0 <= seconds <= written <= _LAST_TIME:
        raise ValueError("its pid, time or seconds cannot be true")
    figures: dict[str, Figure] = {}
    for names, read in ((_TEXTS, _text), (_TIMES, _time), (_NUMBERS, _number)):
        figures |= {name: read(name, value) for name in names if (value := document.get(name)) is not None}
    if "source" not in figures:
        raise ValueError("it names no source")
    return Left(pid, written - seconds, written, figures)


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"its {name} is {shown(value)}")


def _time(name: str, value: object) -> str:
    return parse_timestamp(value, f"its {name}")


def _number(name: str, value: object) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return value
    raise ValueError(f"its {name} is {shown(value)}")

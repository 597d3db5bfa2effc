"""Runs scenarios with the real polling source; a separate program, because yfinance reads its environment.

Standard input holds a JSON list of scenarios: ``name``, ``symbols``, and optionally ``once``,
``interval`` (seconds, 0.002 if absent) and ``until``, the market time at whose first quote to stop, or
``until_said`` (words of a warning), or ``until_asked`` (true: as soon as the stand-in was asked for quotes);
``parallel``, ``max_unknown_interval`` and ``requests_per_minute`` as the source has them; ``patience``, the
seconds after which the answers of a poll do not wait for the others (a minute if absent: ticks are whole,
however slow a machine is); ``limited``, the seconds for which the breaker is open at first; ``change_to``,
the symbols from the first tick on.
Standard output gets one JSON object: for each name its ``ticks`` (encoded quotes, and rejections as
``[origin, reason, data]``), its ``log`` (``[level, logger, text]``), its ``error`` (``[message, hint]``,
or null), the ``seconds`` it took, the ``issues`` it counted, the ``unknown`` symbols, the ``breaker``
and the seconds to the limiter's ``next_turn`` in the end; and below ``""`` what is true of the process
in all.
"""

import json
import logging
import os
import sys
from datetime import UTC, datetime
from random import Random
from threading import Event, Thread, Timer
from time import monotonic
from urllib.request import urlopen

from stockctl.errors import SourceError
from stockctl.market.quote import encode_quote
from stockctl.pipeline.ports import Rejection
from stockctl.sources.yahoo import poller
from stockctl.sources.yahoo.rate_limit import RateLimiter
from stockctl.sources.yahoo.source import YahooSource

DEADLINE = 60.0
"""Seconds after which a scenario ends that should have ended by itself."""
LATE = [name for name in ("yfinance", "pandas", "curl_cffi", "requests") if name in sys.modules]


class _Record(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[tuple[str, str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelname, record.name, self.format(record)))


class _StopAtWords(logging.Handler):
    """Stops a scenario at the words of a warning, if it is to be stopped so."""

    def __init__(self, scenario: dict, stop: Event) -> None:
        super().__init__(logging.WARNING)
        self._words = scenario.get("until_said", "\0")
        self._stop = stop

    def emit(self, record: logging.LogRecord) -> None:
        if self._words in record.getMessage():
            self._stop.set()


def _stop_when_asked(symbols: str, stop: Event) -> None:
    with urlopen(f"{os.environ['HTTPS_PROXY']}/asked?symbols={symbols}"):
        stop.set()


def run(scenario: dict) -> dict:
    """Return the result of one scenario."""
    stop, log, ticks, error = Event(), _Record(), [], None
    deadline = Timer(DEADLINE, stop.set)
    begun = monotonic()
    deadline.start()
    if scenario.get("until_asked"):
        Thread(target=_stop_when_asked, args=(scenario["symbols"], stop)).start()
    root, words = logging.getLogger(), _StopAtWords(scenario, stop)
    root.addHandler(log)
    root.addHandler(words)
    poller.PARTIAL_RESULTS_AFTER = scenario.get("patience", 60.0)
    per_minute = scenario.get("requests_per_minute")
    limiter = RateLimiter(per_minute) if per_minute else None
    source = YahooSource(
        scenario["symbols"].split(","),
        interval=scenario.get("interval", 0.002),
        once=scenario.get("once", False),
        rng=Random(1),
        limiter=limiter,
        **{name: scenario[name] for name in ("parallel", "max_unknown_interval") if name in scenario},
    )
    if "limited" in scenario:
        source.breaker.record_rate_limit(scenario["limited"])
    try:
        for tick in source.ticks(stop):
            ticks.append([_shown(item) for item in tick])
            if "change_to" in scenario:
                source.change_symbols(scenario["change_to"].split(","))
            if any(_is_last(item, scenario) for item in tick):
                stop.set()
    except SourceError as failure:
        error = [failure.message, failure.hint]
    finally:
        root.removeHandler(log)
        root.removeHandler(words)
        deadline.cancel()
    return {
        "ticks": ticks,
        "log": log.lines,
        "error": error,
        "seconds": monotonic() - begun,
        "issues": source.status().issues,
        "unknown": source.unknown,
        "breaker": source.breaker.state,
        "next_turn": limiter.reserve() if limiter else 0.0,
    }


def _shown(item: object) -> object:
    if isinstance(item, Rejection):
        return [item.origin, item.reason, item.data.decode()]
    return json.loads(encode_quote(item))


def _is_last(item: object, scenario: dict) -> bool:
    if isinstance(item, Rejection) or "until" not in scenario:
        return False
    return datetime.fromisoformat(item.timestamp) >= datetime.fromtimestamp(scenario["until"], UTC)


if __name__ == "__main__":
    logging.getLogger().setLevel(logging.DEBUG)
    outcome = {scenario["name"]: run(scenario) for scenario in json.load(sys.stdin)}
    json.dump({**outcome, "": {"imported_early": LATE}}, sys.stdout)

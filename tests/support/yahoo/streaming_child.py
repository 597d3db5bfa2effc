"""Runs scenarios with the real streaming source; a separate program, because yfinance reads its environment.

Standard input holds a JSON list of scenarios: ``name``, ``symbols``, ``until`` (the timestamp of the quote
at which to stop), and optionally ``timeouts`` and ``interval`` (seconds), ``now`` (the time of day, which
does not advance), ``at`` (for the timestamp of a quote, what to do when it comes: ``symbols`` to change to,
or the ``now`` from then on), ``when_closed``, ``stop_after`` (seconds) and ``until_said`` (words of a warning
to stop at).
Standard output gets one JSON object: for each name its ``ticks`` (encoded quotes, and rejections as
``[origin, reason, data]``), its ``log``, its ``counters``, its ``error``, the ``seconds`` it took and the
``calls`` of our own functions, and those that wait, in its threads, if ``profile`` was asked for.
"""

import json
import logging
import sys
import threading
from dataclasses import asdict
from datetime import datetime
from itertools import count
from random import Random
from threading import Event, Timer
from time import monotonic

from stockctl.errors import SourceError
from stockctl.market.quote import encode_quote
from stockctl.market.rules import MarketClosedPolicy
from stockctl.pipeline.ports import Rejection
from stockctl.sources.market_hours import MarketHoursSource
from stockctl.sources.yahoo_stream.connection_manager import ConnectionTimeouts
from stockctl.sources.yahoo_stream.source import YahooStreamSource
from support.yahoo.polling_child import DEADLINE, LATE, _Record, _StopAtWords

HEAVY = ("yfinance", "pandas", "curl_cffi", "requests", "exchange_calendars")
EARLY = [*LATE, *(name for name in HEAVY if name in sys.modules)]
FAST = {"opening": 60, "heartbeat": 0.05, "silence": 30, "first_wait": 0.01, "longest_wait": 0.05}
NOW = "2025-10-09T15:05:00+00:00"


class _Run:
    def __init__(self, scenario: dict) -> None:
        self.scenario = scenario
        self.now = datetime.fromisoformat(scenario.get("now", NOW))
        self.stop, self.log, self.ticks, self.error = Event(), _Record(), [], None
        self.live = YahooStreamSource(
            scenario["symbols"].split(","),
            interval=scenario.get("interval", 0.02),
            timeouts=ConnectionTimeouts(**{**FAST, **scenario.get("timeouts", {})}),
            clock=lambda: self.now,
            rng=Random(1),
        )
        self.source = self.live
        if policy := scenario.get("when_closed"):
            self.source = MarketHoursSource(
                self.live, scenario["symbols"].split(","), MarketClosedPolicy(policy), clock=lambda: self.now
            )

    def go(self) -> dict:
        """Return the result of the scenario."""
        root, begun, calls = logging.getLogger(), monotonic(), count()
        deadline = Timer(self.scenario.get("stop_after", DEADLINE), self.stop.set)
        deadline.start()
        words = _StopAtWords(self.scenario, self.stop)
        root.addHandler(self.log)
        root.addHandler(words)
        if self.scenario.get("profile"):
            threading.setprofile(
                lambda frame, event, _: event == "call" and _is_ours(frame.f_globals) and next(calls)
            )
        try:
            for tick in self.source.ticks(self.stop):
                self.ticks.append([_shown(item) for item in tick])
                for item in tick:
                    self._react(getattr(item, "timestamp", None))
        except SourceError as failure:
            self.error = [failure.message, failure.hint]
        finally:
            threading.setprofile(None)
            root.removeHandler(self.log)
            root.removeHandler(words)
            deadline.cancel()
        return {
            "ticks": self.ticks,
            "log": self.log.lines,
            "counters": {
                **asdict(self.live.counters),
                "reconnects": self.live.counters.reconnects,
                "limits": self.live.breaker.snapshot().rate_limits,
            },
            "error": self.error,
            "seconds": monotonic() - begun,
            "calls": next(calls),
        }

    def _react(self, timestamp: str | None) -> None:
        if timestamp == self.scenario.get("until"):
            self.stop.set()
        reaction = self.scenario.get("at", {}).get(timestamp, {})
        if "symbols" in reaction:
            self.source.change_symbols(reaction["symbols"].split(","))
        if "now" in reaction:
            self.now = datetime.fromisoformat(reaction["now"])


def _is_ours(module: dict) -> bool:
    return module.get("__name__", "").partition(".")[0] in ("stockctl", "websockets", "threading", "queue")


def _shown(item: object) -> object:
    if isinstance(item, Rejection):
        return [item.origin, item.reason, item.data.decode("latin-1")]
    return json.loads(encode_quote(item))


if __name__ == "__main__":
    logging.getLogger().setLevel(logging.DEBUG)
    logging.getLogger().addHandler(logging.NullHandler())  # of a scenario that is over
    outcome = {scenario["name"]: _Run(scenario).go() for scenario in json.load(sys.stdin)}
    json.dump({**outcome, "": {"imported_early": EARLY}}, sys.stdout)

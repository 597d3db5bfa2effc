"""The figures of one moment, out of all that knows some of them."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from stockctl.market.timestamp import format_timestamp
from stockctl.producer.meter import Snapshot, Totals
from stockctl.sources.telling import Told
from stockctl.watching.board import Sums
from stockctl.watching.conditions import BREAKER, CONNECTION, DELIVERY, HEALTH, MARKET, State
from stockctl.watching.vitals import Verdict


class Producing(Protocol):
    """A producer, as far as it can be watched."""

    @property
    def totals(self) -> Totals:
        """What was done so far."""

    def snapshot(self) -> Snapshot:
        """Return the figures of this moment; any thread may ask."""


class Figures(NamedTuple):
    """What there is to show."""

    source: str
    started_at: float
    """In seconds since 1970."""
    delivery: Snapshot
    alerts: int
    board: Sums
    told: Told
    verdict: Verdict

    def states(self) -> dict[str, State]:
        """Return how it stands with the delivery, the health, and what the source tells of."""
        told, verdict = self.told, self.verdict
        states = {DELIVERY: delivery_state(self.delivery)}
        if told.breaker is not None:
            states[BREAKER] = State(told.breaker, None, told.breaker_until)
        if told.rests is not None:
            closed, opened = State("closed", None, told.rests_until), State("open", None, told.closes_at)
            states[MARKET] = closed if told.rests else opened
        if told.connected is not None:
            states[CONNECTION] = State("up" if told.connected else "down")
        states[HEALTH] = State("healthy") if verdict.healthy else State("hung", verdict.reason)
        return states

    def fields(self) -> Mapping[str, object]:
        """Return the figures by the names that the log and the health file have for them.

        A condition has its ``<condition>_until`` beside it where that is known. Lags are in seconds, null
        where nothing was delivered lately; ``symbols`` is how many there were quotes of, ``received`` how
        many quotes the source gave, ``left_out`` how many it did not, see ``Told``.
        """
        delivery = self.delivery
        return {
            "source": self.source,
            **self._conditions(),
            "symbols": self.board.symbols,
            "received": self.board.quotes,
            "sent": delivery.sent,
            "waiting": delivery.waiting,
            "retried": delivery.retried,
            "refused": delivery.refused,
            "throttled": delivery.throttled,
            "uncertain": delivery.uncertain,
            "dropped": delivery.dropped,
            "left_out": self.told.left_out,
            "alerts": self.alerts,
            "reconnects": self.told.reconnects,
            "lag_p50": _rounded(delivery.lag_p50),
            "lag_p99": _rounded(delivery.lag_p99),
        }

    def _conditions(self) -> Mapping[str, object]:
        fields: dict[str, object] = {}
        for subject, state in self.states().items():
            fields[subject] = state.name
            if state.until is not None:
                fields[f"{subject}_until"] = format_timestamp(state.until)
        return fields


def delivery_state(delivery: Snapshot) -> State:
    """Return how it stands with the delivery."""
    return State("waiting", delivery.fault) if delivery.fault else State("delivering")


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)

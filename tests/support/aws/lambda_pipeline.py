"""Both functions behind modelled streams, with services in memory and chosen errors."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from stockctl.functions.runtime import read_environment
from stockctl.retry import Backoff
from support.aws.lambda_functions import (
    ENVIRONMENT,
    Context,
    Functions,
    InTurn,
    clients_of,
    kinesis_record,
    table_records,
)
from support.aws.lambda_model import EventSource, Shard, StreamRecord
from support.aws.memory_services import Memory

RULES = {"short": 2, "long": 4}
_ENVIRONMENT = read_environment(
    {**ENVIRONMENT, "SMA_SHORT": str(RULES["short"]), "SMA_LONG": str(RULES["long"])}, publishes=True
)


class Incident(NamedTuple):
    """A fault that was committed."""

    fault: str
    operation: str
    about: str


class Faults:
    """Commits faults at calls by their number, and notes them between what was published."""

    def __init__(self, plan: Mapping[int, str], memory: Memory) -> None:
        self._plan = plan
        self._memory = memory
        self._calls = 0
        self.incidents: list[tuple[int, Incident]] = []

    def __call__(self, operation: str, about: str) -> str | None:
        fault = self._plan.get(self._calls)
        self._calls += 1
        if fault is not None:
            self.incidents.append((len(self._memory.published), Incident(fault, operation, about)))
        return fault


class Pipeline:
    """What comes of records that are put into the stream."""

    def __init__(self, functions: Functions, plan: Mapping[int, str] | None = None) -> None:
        self._functions = functions
        self.memory = Memory()
        self.faults = Faults(plan or {}, self.memory)
        self.memory.choose = self.faults
        ingest, trend = functions
        ingest.function = ingest.IngestFunction(
            _ENVIRONMENT, ingest.clients, InTurn(), Backoff(attempts=3, sleep=lambda _: None)
        )
        trend.function = trend.TrendFunction(_ENVIRONMENT, trend.clients, InTurn(), InTurn())
        self.unstored: list[StreamRecord] = []
        self.unwatched: list[StreamRecord] = []

    def run(self, payloads: Sequence[bytes], keys: Iterable[str], source: EventSource) -> None:
        """Put payloads into the stream, each under its key, and let both functions come to rest."""
        records = [
            kinesis_record(data, number, key)
            for number, (data, key) in enumerate(zip(payloads, keys, strict=True))
        ]
        with self.memory.behind(*clients_of(self._functions)):
            self.unstored = self._feed(records, self._functions.ingest, source)
            self.unwatched = self._feed(table_records(self.memory.inserted), self._functions.trend, source)

    def _feed(
        self, records: Sequence[StreamRecord], function: Any, source: EventSource
    ) -> list[StreamRecord]:
        shard = Shard(source)
        shard.extend(records)
        shard.run(partial(self._invoke, function))
        return shard.discarded

    def _invoke(self, function: Any, event: dict[str, Any]) -> Any:
        # Whoever was killed before, another process is there now.
        self.memory.dead = False
        return function.handler(event, Context())

    @property
    def published(self) -> Counter[str]:
        """How often each alert was published."""
        return Counter(published_id(message) for message in self.memory.published)

    def unexcused(self) -> list[str]:
        """Return the alerts that were published again although nothing kept them from being marked."""
        last: dict[str, int] = {}
        found = []
        for number, message in enumerate(self.memory.published):
            alert_id = published_id(message)
            if alert_id in last and not self._struck(alert_id, last[alert_id], number):
                found.append(alert_id)
            last[alert_id] = number
        return found

    def _struck(self, alert_id: str, after: int, before: int) -> bool:
        """Tell whether a fault befell an alert's publishing or marking between two of its messages."""
        return any(
            after <= place <= before and incident[1:] in (("Publish", alert_id), ("UpdateItem", alert_id))
            for place, incident in self.faults.incidents
        )


def published_id(message: Mapping[str, Any]) -> str:
    """Return the id of the alert in a message."""
    return str(json.loads(message["Message"])["alert_id"])

"""Follows the events of a stack operation."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.errors import translate_errors

STACK = "AWS::CloudFormation::Stack"
# Resources that were stopped because another one failed.
_CANCELLED = "cancelled"


class StackEvent(NamedTuple):
    """Something that happened to a resource."""

    resource: str
    """Its logical id in the template, or its name."""
    status: str
    """As CloudFormation writes it (``CREATE_COMPLETE``), or a few words."""
    detail: str = ""


Report = Callable[[StackEvent], None]


@dataclass(frozen=True)
class PollInterval:
    """How long to wait between two looks, in seconds, and how to wait."""

    interval: float = 2.0
    sleep: Callable[[float], None] = time.sleep

    def wait(self) -> None:
        """Wait until the next look."""
        self.sleep(self.interval)


class OperationResult(NamedTuple):
    """How an operation on a stack ended."""

    status: str
    failures: Sequence[StackEvent]
    """Resources that failed by themselves, the first one first."""


class EventFollower:
    """The events of one stack from a moment on.

    Args:
        cloudformation: the client.
        stack_id: ARN of the stack; a deleted one is still found under it.
        last_seen: id of the newest event before; None means none.
    """

    def __init__(self, cloudformation: Client, stack_id: str, last_seen: str | None) -> None:
        self._cloudformation = cloudformation
        self._stack_id = stack_id
        self._last_seen = last_seen

    def follow(self, report: Report, pace: PollInterval, *, begun: bool) -> OperationResult:
        """Report each event until the operation ends.

        Args:
            report: takes what happens.
            pace: how often to look.
            begun: whether the operation is known to run; otherwise its first event is waited for.

        Raises:
            AwsError: CloudFormation cannot be asked.
        """
        failures: list[StackEvent] = []
        while True:
            with translate_errors():
                status = self._status()
                fresh = self._fresh()
            begun = begun or any(event["ResourceType"] == STACK for event in fresh)
            failures += _told(fresh, report)
            if begun and not in_progress(status):
                with translate_errors():
                    failures += _told(self._fresh(), report)
                return OperationResult(status, failures)
            pace.wait()

    def _status(self) -> str:
        answer = self._cloudformation.describe_stacks(StackName=self._stack_id)
        return str(answer["Stacks"][0]["StackStatus"])

    def _fresh(self) -> list[Mapping[str, Any]]:
        """Return the events since the last call, oldest first."""
        fresh: list[Mapping[str, Any]] = []
        pages = self._cloudformation.get_paginator("describe_stack_events").paginate(StackName=self._stack_id)
        for page in pages:
            for event in page["StackEvents"]:
                if event["EventId"] == self._last_seen:
                    return self._remembered(fresh)
                fresh.append(event)
        return self._remembered(fresh)

    def _remembered(self, newest_first: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        if newest_first:
            self._last_seen = newest_first[0]["EventId"]
        return newest_first[::-1]


def events_from_now(cloudformation: Client, stack_id: str) -> EventFollower:
    """Return the events that come after this moment.

    Raises:
        AwsError: CloudFormation cannot be asked.
    """
    with translate_errors():
        newest = cloudformation.describe_stack_events(StackName=stack_id)["StackEvents"][:1]
    return EventFollower(cloudformation, stack_id, newest[0]["EventId"] if newest else None)


def in_progress(status: str) -> bool:
    """Whether CloudFormation is at work on a stack of this status; one under review waits for a person."""
    return status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"


def _told(events: Sequence[Mapping[str, Any]], report: Report) -> list[StackEvent]:
    failures = []
    for event in events:
        progress = StackEvent(
            event["LogicalResourceId"], event["ResourceStatus"], event.get("ResourceStatusReason") or ""
        )
        report(progress)
        if progress.status.endswith("_FAILED") and event["ResourceType"] != STACK:
            failures += [progress] if _CANCELLED not in progress.detail.lower() else []
    return failures

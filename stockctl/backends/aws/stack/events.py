"""Follows the events of a CloudFormation stack operation."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.error_messages import translate_errors
from stockctl.backends.aws.stack.polling import PollInterval
from stockctl.backends.base import Report

_STACK_TYPE = "AWS::CloudFormation::Stack"
# In the reason of a resource that was stopped because another one failed.
_CANCELLED = "cancelled"


class StackEvent(NamedTuple):
    """Progress event: the state of a resource changed."""

    resource: str
    """Its logical id in the template, or its name."""
    status: str
    """A status of CloudFormation (``CREATE_COMPLETE``), or a few words."""
    detail: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, self))


class OperationResult(NamedTuple):
    """How a stack operation ended."""

    status: str
    failures: Sequence[StackEvent]
    """Resources that failed, except those stopped because another one failed; in order of time."""


class EventFollower:
    """Reads the events of one stack, from a point in time on.

    Args:
        cloudformation: the client of the service.
        stack_id: ARN of the stack; unlike its name, it also finds a deleted stack.
        last_seen: the id of the newest event so far; None if there is none.
    """

    def __init__(self, cloudformation: Client, stack_id: str, last_seen: str | None) -> None:
        self._cloudformation = cloudformation
        self._stack_id = stack_id
        self._last_seen = last_seen

    def follow(self, report: Report, poll_interval: PollInterval, *, started: bool) -> OperationResult:
        """Report each event until the operation ends.

        Args:
            report: takes the events.
            poll_interval: time between two requests.
            started: whether the operation is known to run; otherwise wait for its first event.

        Raises:
            AwsError: a request to CloudFormation fails.
        """
        failures: list[StackEvent] = []
        while True:
            with translate_errors():
                status = self._status()
                events = self._new_events()
            started = started or any(event["ResourceType"] == _STACK_TYPE for event in events)
            failures += _report_events(events, report)
            if started and not in_progress(status):
                with translate_errors():
                    failures += _report_events(self._new_events(), report)
                return OperationResult(status, failures)
            poll_interval.wait()

    def _status(self) -> str:
        response = self._cloudformation.describe_stacks(StackName=self._stack_id)
        return str(response["Stacks"][0]["StackStatus"])

    def _new_events(self) -> list[Mapping[str, Any]]:
        """Return the events since the last call, oldest first."""
        newest_first: list[Mapping[str, Any]] = []
        pages = self._cloudformation.get_paginator("describe_stack_events").paginate(StackName=self._stack_id)
        for page in pages:
            for event in page["StackEvents"]:
                if event["EventId"] == self._last_seen:
                    return self._mark_as_seen(newest_first)
                newest_first.append(event)
        return self._mark_as_seen(newest_first)

    def _mark_as_seen(self, newest_first: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        if newest_first:
            self._last_seen = newest_first[0]["EventId"]
        return newest_first[::-1]


def events_from_now(cloudformation: Client, stack_id: str) -> EventFollower:
    """Return a follower of the events from now on.

    Raises:
        AwsError: a request to CloudFormation fails.
    """
    with translate_errors():
        newest = cloudformation.describe_stack_events(StackName=stack_id)["StackEvents"][:1]
    return EventFollower(cloudformation, stack_id, newest[0]["EventId"] if newest else None)


def in_progress(status: str) -> bool:
    """Return whether an operation is running on a stack of this status; one in review waits for a person."""
    return status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"


def _report_events(events: Sequence[Mapping[str, Any]], report: Report) -> list[StackEvent]:
    """Report the events and return the failures."""
    failures = []
    for raw in events:
        event = StackEvent(
            raw["LogicalResourceId"], raw["ResourceStatus"], raw.get("ResourceStatusReason") or ""
        )
        report(event)
        is_failure = event.status.endswith("_FAILED") and raw["ResourceType"] != _STACK_TYPE
        if is_failure and _CANCELLED not in event.detail.lower():
            failures.append(event)
    return failures

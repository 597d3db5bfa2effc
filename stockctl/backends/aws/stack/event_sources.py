"""Triggers (event source mappings) and running invocations of the Lambda functions."""

import json
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.error_messages import translate_errors
from stockctl.backends.aws.errors import error_code
from stockctl.backends.aws.names import Names
from stockctl.backends.aws.stack.events import StackEvent
from stockctl.backends.aws.stack.polling import PollInterval
from stockctl.backends.base import Report

_SETTLED_STATES = ("Enabled", "Disabled")
# Lambda logs the start of each invocation and a report at its end, as text or as JSON.
_LOG_LINE = re.compile(r"(START|REPORT) RequestId: (\S+)")
_START_PHASES = ("START", "platform.start")


def trigger_states(functions: Client, name: str) -> list[str]:
    """Return the state of each trigger of a function; empty if the function does not exist.

    Raises:
        AwsError: a request to Lambda fails.
    """
    return [str(mapping["State"]) for mapping in _mappings(functions, name)]


def set_enabled(
    functions: Client, names: Names, report: Report, poll_interval: PollInterval, *, on: bool
) -> Sequence[str]:
    """Enable or disable the triggers of both functions, wait until done, and return the changed functions.

    Raises:
        AwsError: a request to Lambda fails.
    """
    target = "Enabled" if on else "Disabled"
    changed = []
    for name in names.functions:
        for mapping in _mappings(functions, name):
            state = _settled_state(functions, mapping["UUID"], poll_interval)
            if state == target:
                continue
            report(StackEvent(name, "trigger", f"{state} → {target}"))
            with translate_errors():
                functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=on)
            _settled_state(functions, mapping["UUID"], poll_interval)
            changed.append(name)
    return changed


def _mappings(functions: Client, name: str) -> list[dict[str, Any]]:
    with translate_errors():
        try:
            pages = functions.get_paginator("list_event_source_mappings").paginate(FunctionName=name)
            return [mapping for page in pages for mapping in page["EventSourceMappings"]]
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return []
            raise


def _settled_state(functions: Client, uuid: str, poll_interval: PollInterval) -> str:
    """Wait until a trigger is enabled or disabled, and return which of the two."""
    while True:
        with translate_errors():
            state = str(functions.get_event_source_mapping(UUID=uuid)["State"])
        if state in _SETTLED_STATES:
            return state
        poll_interval.wait()


def wait_until_idle(
    logs: Client, names: Names, timeout: float, report: Report, poll_interval: PollInterval
) -> None:
    """Wait until every invocation that has started has ended.

    Args:
        logs: the client of the service.
        names: names of the resources.
        timeout: the maximum number of seconds that an invocation runs.
        report: takes the functions that are still running.
        poll_interval: time between two requests.

    Raises:
        AwsError: the logs cannot be read.
    """
    begin = time.time() - timeout
    waited = 0.0
    while waited < timeout:
        busy = [name for name in names.functions if _running(logs, f"/aws/lambda/{name}", begin)]
        if not busy:
            return
        report(StackEvent(" and ".join(busy), "still running", "waiting for the last invocations"))
        poll_interval.wait()
        waited += poll_interval.interval


def _running(logs: Client, group: str, begin: float) -> set[str]:
    """Return the ids of the invocations since ``begin`` that have not ended."""
    started: set[str] = set()
    ended: set[str] = set()
    for message in _messages(logs, group, begin):
        for phase, request in _phases(message):
            (started if phase in _START_PHASES else ended).add(request)
    return started - ended


def _phases(message: str) -> Iterator[tuple[str, str]]:
    if (match := _LOG_LINE.match(message)) is not None:
        yield match[1], match[2]
    elif '"platform.' in message:
        entry: dict[str, Any] = json.loads(message)
        if entry.get("type") in ("platform.start", "platform.report"):
            yield str(entry["type"]), str(entry["record"]["requestId"])


def _messages(logs: Client, group: str, begin: float) -> Iterator[str]:
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=int(begin * 1000))
    with translate_errors():
        try:
            for page in pages:
                yield from (event["message"] for event in page["events"])
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise

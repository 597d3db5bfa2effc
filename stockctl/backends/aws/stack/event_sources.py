"""Event source mappings and running invocations of the functions."""

import json
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.errors import error_code, translate_errors
from stockctl.backends.aws.names import Names
from stockctl.backends.aws.stack.events import PollInterval, Report, StackEvent

_STEADY = ("Enabled", "Disabled")


def mapping_states(functions: Client, name: str) -> list[str]:
    """Return the state of each trigger of a function; empty when there is no such function.

    Raises:
        AwsError: Lambda cannot be asked.
    """
    return [str(mapping["State"]) for mapping in _mappings(functions, name)]


def set_enabled(
    functions: Client, names: Names, report: Report, pace: PollInterval, *, on: bool
) -> Sequence[str]:
    """Enable or disable the triggers of both functions, wait until they are, and return whose were not.

    Raises:
        AwsError: Lambda refuses.
    """
    wanted = "Enabled" if on else "Disabled"
    switched = []
    for name in names.functions:
        for mapping in _mappings(functions, name):
            state = _steady(functions, mapping["UUID"], pace)
            if state == wanted:
                continue
            report(StackEvent(name, "trigger", f"{state} → {wanted}"))
            with translate_errors():
                functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=on)
            _steady(functions, mapping["UUID"], pace)
            switched.append(name)
    return switched


def _mappings(functions: Client, name: str) -> list[dict[str, Any]]:
    with translate_errors():
        try:
            pages = functions.get_paginator("list_event_source_mappings").paginate(FunctionName=name)
            return [mapping for page in pages for mapping in page["EventSourceMappings"]]
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return []
            raise


def _steady(functions: Client, uuid: str, pace: PollInterval) -> str:
    """Return the state of a trigger once it is not on the way to another."""
    while True:
        with translate_errors():
            state = str(functions.get_event_source_mapping(UUID=uuid)["State"])
        if state in _STEADY:
            return state
        pace.wait()


# Lambda notes the start of each invocation, and at its end a report; as text or as JSON.
_TEXT = re.compile(r"(START|REPORT) RequestId: (\S+)")
_STARTED = ("START", "platform.start")


def wait_until_idle(logs: Client, names: Names, longest: float, report: Report, pace: PollInterval) -> None:
    """Wait until no invocation that has begun is without its end.

    Args:
        logs: the client.
        names: what the functions are called.
        longest: seconds that an invocation may take; nothing runs longer.
        report: takes what is waited for.
        pace: how often to look.

    Raises:
        AwsError: the logs cannot be read.
    """
    begin = time.time() - longest
    waited = 0.0
    while waited < longest:
        busy = [name for name in names.functions if _running(logs, f"/aws/lambda/{name}", begin)]
        if not busy:
            return
        report(StackEvent(" and ".join(busy), "still running", "waiting for the last invocations"))
        pace.wait()
        waited += pace.interval


def _running(logs: Client, group: str, begin: float) -> set[str]:
    """Return the ids of the invocations since ``begin`` that were not reported yet."""
    started: set[str] = set()
    ended: set[str] = set()
    for message in _messages(logs, group, begin):
        for phase, request in _phases(message):
            (started if phase in _STARTED else ended).add(request)
    return started - ended


def _phases(message: str) -> Iterator[tuple[str, str]]:
    if (found := _TEXT.match(message)) is not None:
        yield found[1], found[2]
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

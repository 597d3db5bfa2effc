"""The triggers of the functions: their event source mappings."""

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from stockctl.aws.clients import Client
from stockctl.aws.faults import explained
from stockctl.aws.names import Names
from stockctl.aws.progress import Pace, Progress, Report
from stockctl.aws.refused import error_code

_STEADY = ("Enabled", "Disabled")


def states(functions: Client, name: str) -> list[str]:
    """Return the state of each trigger of a function; empty when there is no such function.

    Raises:
        AwsError: Lambda cannot be asked.
    """
    return [str(mapping["State"]) for mapping in _mappings(functions, name)]


def switch(functions: Client, names: Names, report: Report, pace: Pace, *, on: bool) -> Sequence[str]:
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
            report(Progress(name, "trigger", f"{state} → {wanted}"))
            with explained():
                functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=on)
            _steady(functions, mapping["UUID"], pace)
            switched.append(name)
    return switched


def _mappings(functions: Client, name: str) -> list[dict[str, Any]]:
    with explained():
        try:
            pages = functions.get_paginator("list_event_source_mappings").paginate(FunctionName=name)
            return [mapping for page in pages for mapping in page["EventSourceMappings"]]
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return []
            raise


def _steady(functions: Client, uuid: str, pace: Pace) -> str:
    """Return the state of a trigger once it is not on the way to another."""
    while True:
        with explained():
            state = str(functions.get_event_source_mapping(UUID=uuid)["State"])
        if state in _STEADY:
            return state
        pace.wait()

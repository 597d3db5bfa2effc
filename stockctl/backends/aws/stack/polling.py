"""Waits for AWS: the poll interval, and botocore's waiters with errors for the user."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.error_messages import translate_errors
from stockctl.errors import AwsError

_SHORTEST_SECONDS = 0.01


@dataclass(frozen=True)
class PollInterval:
    """The seconds between two requests for the state of a resource."""

    interval: float = 2.0
    sleep: Callable[[float], None] = time.sleep
    timeout: float = 900.0
    """The maximum number of seconds that a waiter waits."""

    def wait(self) -> None:
        """Wait until the next request."""
        self.sleep(self.interval)


@translate_errors()
def wait_for(
    client: Client, waiter: str, poll_interval: PollInterval, **arguments: str
) -> Mapping[str, Any] | None:
    """Wait with a waiter of botocore; return None, or the response that shows a failed end state.

    Args:
        client: the client of the service.
        waiter: the name of the waiter, for example ``table_not_exists``.
        poll_interval: time between two requests; its ``timeout`` limits the wait.
        arguments: the arguments of the request.

    Raises:
        AwsError: a request fails, or the timeout has passed.
    """
    attempts = max(1, int(poll_interval.timeout / max(poll_interval.interval, _SHORTEST_SECONDS)))
    config = {"Delay": poll_interval.interval, "MaxAttempts": attempts}
    try:
        client.get_waiter(waiter).wait(**arguments, WaiterConfig=config)
    except WaiterError as error:
        response: Mapping[str, Any] = error.last_response
        if "Error" in response:
            raise ClientError(response, client.get_waiter(waiter).config.operation) from error  # type: ignore[arg-type, unused-ignore]
        if "Max attempts exceeded" not in str(error):
            return response
        resource = ", ".join(arguments.values())
        raise AwsError(
            f"{resource} did not reach the state {waiter} within {poll_interval.timeout:g} seconds.",
            "AWS may still be working on it. Wait a moment, then run the command again.",
        ) from None
    return None

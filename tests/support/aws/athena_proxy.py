"""A proxy between the command line and MiniStack that adds what MiniStack's Athena lacks."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import urllib3

from support.aws.athena_server import write_parameters_into_statement
from support.aws.loopback_server import Answer, Request, loopback
from support.aws.ministack_server import MiniStack
from support.cli.command import SECONDS

_BETWEEN_TWO_ENDS = ("host", "connection", "content-length", "transfer-encoding")


class Relay(NamedTuple):
    """A way to MiniStack on which the calls of Athena are noted."""

    url: str
    calls: list[tuple[str, dict[str, Any]]]
    """Operations of Athena, each with the parameters that the client sent."""
    looked_at: threading.Event
    """Set once a query that never ends by itself is being waited for."""

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to go this way."""
        return {"STOCKCTL_AWS__ENDPOINT_URL": self.url}

    @property
    def query_id(self) -> str:
        """The query that was looked at last."""
        return str(self.asked("GetQueryExecution")[-1]["QueryExecutionId"])

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """Return the parameters of the requests of an operation."""
        return [body for name, body in self.calls if name == operation]


@contextmanager
def relay(ministack: MiniStack, *, looks_until_stopped: int | None = None) -> Iterator[Relay]:
    """Pass requests on to MiniStack, parameters of statements written into them.

    Args:
        ministack: where they go.
        looks_until_stopped: how many looks at a query are answered with RUNNING; the next one is not
            answered before the query was stopped. None leaves queries alone, and those of MiniStack are too
            short to be interrupted.
    """
    calls: list[tuple[str, dict[str, Any]]] = []
    looked_at, stopped = threading.Event(), threading.Event()

    def answer(request: Request) -> Answer:
        service, _, operation = request.headers.get("X-Amz-Target", "").partition(".")
        if service != "AmazonAthena":
            return pass_on(request)
        asked = json.loads(request.body)
        calls.append((operation, dict(asked)))
        if operation == "StartQueryExecution":
            write_parameters_into_statement(asked)
            return pass_on(request._replace(body=json.dumps(asked).encode()))
        if operation == "StopQueryExecution":
            stopped.set()
        if operation == "GetQueryExecution" and looks_until_stopped is not None:
            return _in_state(state(looks_until_stopped), pass_on(request))
        return pass_on(request)

    def state(looks: int) -> str:
        """Return the state of the query, when there is something to tell."""
        if sum(name == "GetQueryExecution" for name, _ in calls) <= looks:
            return "RUNNING"
        looked_at.set()
        return "CANCELLED" if stopped.wait(SECONDS) else "RUNNING"

    def pass_on(request: Request) -> Answer:
        there = pool.request(
            request.method,
            ministack.endpoint + request.path,
            body=request.body,
            headers=_to_pass_on(request.headers),
            redirect=False,
            retries=False,
            decode_content=False,
        )
        return Answer(there.status, there.data, _to_pass_on(dict(there.headers)))

    with urllib3.PoolManager(ca_certs=str(ministack.authority)) as pool, loopback(answer) as server:
        yield Relay(server.url, calls, looked_at)


def _to_pass_on(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _BETWEEN_TWO_ENDS}


def _in_state(state: str, answer: Answer) -> Answer:
    described = json.loads(answer.body)
    described["QueryExecution"]["Status"]["State"] = state
    return answer._replace(body=json.dumps(described).encode())

"""Athena for tests: a local server with prepared responses, and what MiniStack's Athena lacks."""

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.session import get_session

from stockctl.backends.aws.connection import Connection
from support.aws.loopback_server import Answer, Request, json_error, loopback

QUERY_ID = "11111111-2222-3333-4444-555555555555"


class StandIn:
    """Answers the calls of one query, and notes them.

    Args:
        states: state of the query at each look; the last one stays.
        columns: name and type of each column of the result.
        rows: texts of the result, None for NULL.
        scanned: bytes, at every look.
        reason: why the query ended.
        faults: answers to give instead, by operation.
    """

    def __init__(
        self,
        states: Sequence[str] = ("SUCCEEDED",),
        columns: Sequence[tuple[str, str]] = (("symbol", "varchar"),),
        rows: Sequence[Sequence[str | None]] = (),
        scanned: int = 1234,
        reason: str | None = None,
        faults: dict[str, Answer] | None = None,
    ) -> None:
        self._states = list(states)
        self._columns = columns
        self._rows = rows
        self._scanned = scanned
        self._reason = reason
        self._faults = faults or {}
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def answer(self, request: Request) -> Answer:
        """Answer as Athena would."""
        operation = request.headers["X-Amz-Target"].partition(".")[2]
        body = json.loads(request.body or b"{}")
        self.calls.append((operation, body))
        if operation in self._faults:
            return self._faults[operation]
        made: dict[str, Callable[[], dict[str, Any]]] = {
            "StartQueryExecution": lambda: {"QueryExecutionId": QUERY_ID},
            "GetQueryExecution": lambda: {"QueryExecution": self._execution()},
            "GetQueryResults": self._results,
            "StopQueryExecution": self._stop,
        }
        return Answer(
            200, json.dumps(made[operation]()).encode(), {"Content-Type": "application/x-amz-json-1.1"}
        )

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """Return the parameters of the requests of an operation."""
        return [body for name, body in self.calls if name == operation]

    def _stop(self) -> dict[str, Any]:
        self._states[:] = ["CANCELLED"]
        return {}

    def _execution(self) -> dict[str, Any]:
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        status = {"State": state} | ({"StateChangeReason": self._reason} if self._reason else {})
        return {
            "QueryExecutionId": QUERY_ID,
            "Query": "SELECT 1",
            "StatementType": "DML",
            "Status": status,
            "Statistics": {"DataScannedInBytes": self._scanned},
        }

    def _results(self) -> dict[str, Any]:
        texts = [[name for name, _ in self._columns], *self._rows]
        rows = [{"Data": [{} if text is None else {"VarCharValue": text} for text in row]} for row in texts]
        shape = {"Precision": 0, "Scale": 0, "Nullable": "UNKNOWN"}
        info = [{"Name": name, "Label": name, "Type": kind} | shape for name, kind in self._columns]
        return {"UpdateCount": 0, "ResultSet": {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": info}}}


@contextmanager
def athena(stand_in: StandIn) -> Iterator[Connection]:
    """Serve a stand-in, and give the connection to it."""
    with loopback(stand_in.answer) as server:
        yield connect(server.url)


def connect(url: str) -> Connection:
    """Return a connection to an endpoint that fails at the first fault."""
    connection = Connection("eu-west-1", None, url, attempts=1)
    # botocore reads its models of the services anew for each session, which is most of a client's making.
    connection.session._session.register_component("data_loader", _models())
    return connection


def connect_to_ministack() -> Connection:
    """Return a connection to the endpoint and the account of the environment."""
    return connect(os.environ["STOCKCTL_AWS__ENDPOINT_URL"])


@cache
def _models() -> Loader:
    loader: Loader = get_session().get_component("data_loader")
    return loader


def fault(code: str, message: str) -> Answer:
    """Return an error as Athena answers it."""
    return json_error(code, message)


def write_parameters_into_statements(connection: Connection) -> None:
    """Have what MiniStack gets carry its parameters in the statement: it knows none beside it."""

    def rewrite(params: dict[str, Any], **_: object) -> None:
        write_parameters_into_statement(params)

    connection.session.events.register("provide-client-params.athena.StartQueryExecution", rewrite)


def write_parameters_into_statement(request: dict[str, Any]) -> None:
    """Have a request to start a query carry its parameters in the statement."""
    values = iter(request.pop("ExecutionParameters", []))
    request["QueryString"] = re.sub(r"\?", lambda _: next(values), request["QueryString"])

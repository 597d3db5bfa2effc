"""Each action of the functions' roles is needed: without it, the deployed function fails."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple

import pytest

from stockctl.backends.aws.stack.event_sources import set_enabled
from support.aws.lambda_functions import event_of, kinesis_record
from support.aws.stacks import connect, open_pipeline, quiet, yes

pytestmark = pytest.mark.slow

STARTS = 20
# MiniStack ends the processes of functions of the same name in all accounts when a stack is changed in one.
PROJECT = "roles"
FUNCTIONS = {"Ingest": f"{PROJECT}-stock-market-ingest", "Trend": f"{PROJECT}-stock-market-trend"}


class Grant(NamedTuple):
    """An action that a role allows on a resource."""

    stage: str
    action: str
    ending: str
    """How the resource ends."""


GRANTS = [
    Grant("Ingest", "s3:PutObject", "/raw-data/*"),
    Grant("Ingest", "s3:PutObject", "/quarantine/*"),
    Grant("Ingest", "dynamodb:Query", "stock-market-data"),
    Grant("Ingest", "dynamodb:BatchWriteItem", "stock-market-data"),
    Grant("Trend", "dynamodb:PutItem", "stock-market-alerts"),
    Grant("Trend", "dynamodb:UpdateItem", "stock-market-alerts"),
    Grant("Trend", "sns:Publish", "stock-market-alerts"),
]


@pytest.fixture
def deployed(aws_account: str) -> dict[str, str]:
    """A pipeline whose triggers rest, and the names of its roles by stage."""
    pipeline = open_pipeline(project={"name": PROJECT}, alerts={"max_age": "0"})
    pipeline.provision(yes, quiet)
    set_enabled(connect().client("lambda"), pipeline.names, quiet, pipeline._poll_interval, on=False)
    stack = connect().client("cloudformation").list_stack_resources(StackName=pipeline.names.stack)
    physical_ids = {
        each["LogicalResourceId"]: each["PhysicalResourceId"] for each in stack["StackResourceSummaries"]
    }
    return {stage: physical_ids[f"{stage}Role"] for stage in FUNCTIONS}


def test_every_action_of_the_handlers_is_needed(deployed: dict[str, str]) -> None:
    """With all of them both functions succeed; with one gone, its function is denied that very one."""
    symbols = iter(f"S{number}" for number in range(100))
    for stage in FUNCTIONS:
        assert invoke(stage, next(symbols)) is None

    for grant in GRANTS:
        allowed = function_policy(deployed[grant.stage])
        put_policy(deployed[grant.stage], without(allowed, grant))
        denied = invoke(grant.stage, next(symbols))
        put_policy(deployed[grant.stage], allowed)
        assert denied is not None, f"{grant} is not needed"
        assert "AccessDenied" in denied or "AuthorizationError" in denied, (grant, denied)
        assert grant.action in denied, (grant, denied)

    documents = [function_policy(role)["Statement"] for role in deployed.values()]
    assert sum(len(resources_of(each)) for statements in documents for each in statements) == len(GRANTS)


def invoke(stage: str, symbol: str) -> str | None:
    """Hand new quotes of ``symbol`` to a function and return how it failed, or None.

    MiniStack starts a process anew after each failure, and on a busy machine that fails now and then.
    """
    functions = connect().client("lambda")
    event = json.dumps(EVENTS[stage](symbol)).encode()
    for _ in range(STARTS):
        answer = functions.invoke(FunctionName=FUNCTIONS[stage], Payload=event)
        payload = answer["Payload"].read().decode()
        if "Worker process" not in payload:
            break
    if "FunctionError" in answer:
        return payload
    return None if json.loads(payload) in ({"batchItemFailures": []}, None) else payload


def quotes_and_junk(symbol: str) -> dict[str, Any]:
    """Return a Kinesis event with a quote, and with a record that cannot be read."""
    quote = {"symbol": symbol, "timestamp": "2019-02-11T15:00:00.000Z", "price": 100, "source": "replay"}
    records = (json.dumps(quote).encode(), f"junk of {symbol}".encode())
    return event_of(kinesis_record(data, number, symbol) for number, data in enumerate(records))


def a_crossing(symbol: str) -> dict[str, Any]:
    """Return a table event with one new quote, at which the trend of ``symbol`` turned."""
    texts = {
        "symbol": symbol, "timestamp": "2019-02-11T15:00:00.000Z", "source": "replay",
        "trend": "up", "previous_trend": "down",
    }  # fmt: skip
    image: dict[str, Any] = {name: {"S": text} for name, text in texts.items()}
    image |= {name: {"N": "1"} for name in ("price", "sma_short", "sma_long")}
    image |= {name: {"BOOL": False} for name in ("anomaly", "anomaly_alert")}
    keys = {name: image[name] for name in ("symbol", "timestamp")}
    change = {"SequenceNumber": "1", "Keys": keys, "NewImage": image, "StreamViewType": "NEW_IMAGE"}
    return {"Records": [{"eventName": "INSERT", "eventID": "1", "dynamodb": change}]}


EVENTS: dict[str, Callable[[str], dict[str, Any]]] = {"Ingest": quotes_and_junk, "Trend": a_crossing}


def function_policy(role: str) -> dict[str, Any]:
    """Return what a role allows its handler."""
    document: dict[str, Any] = (
        connect().client("iam").get_role_policy(RoleName=role, PolicyName="function")["PolicyDocument"]
    )
    return document


def put_policy(role: str, document: dict[str, Any]) -> None:
    """Set what a role allows its handler."""
    connect().client("iam").put_role_policy(
        RoleName=role, PolicyName="function", PolicyDocument=json.dumps(document)
    )


def resources_of(statement: dict[str, Any]) -> list[tuple[str, str]]:
    """Return each action of a statement with each of its resources."""
    actions, resources = (
        value if isinstance(value, list) else [value]
        for value in (statement["Action"], statement["Resource"])
    )
    return [(action, resource) for action in actions for resource in resources]


def without(document: dict[str, Any], grant: Grant) -> dict[str, Any]:
    """Return a policy that allows all but ``grant``."""
    narrowed = deepcopy(document)
    narrowed["Statement"] = [
        {"Effect": "Allow", "Action": action, "Resource": resource}
        for statement in document["Statement"]
        for action, resource in resources_of(statement)
        if not (action == grant.action and resource.endswith(grant.ending))
    ]
    assert len(narrowed["Statement"]) == sum(len(resources_of(s)) for s in document["Statement"]) - 1
    return narrowed

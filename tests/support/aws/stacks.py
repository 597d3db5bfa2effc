"""The AWS backend for tests, with settings of the test, and a list of what an account contains."""

import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Protocol

from botocore.loaders import Loader
from botocore.session import get_session

from stockctl.backends.aws.backend import AwsBackend
from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.stack.lambda_code import Bundle, build
from stockctl.backends.aws.stack.polling import PollInterval
from stockctl.backends.base import Plan
from stockctl.backends.factory import now
from stockctl.config.schema import Settings
from support.aws.ministack_server import REGION

FAST = PollInterval(0.05)
installed_code = cache(build)


def connect() -> Connection:
    """Return a connection to the endpoint and the account of the environment."""
    return _connection(os.environ["STOCKCTL_AWS__ENDPOINT_URL"], os.environ["AWS_ACCESS_KEY_ID"])


@cache
def _connection(endpoint: str, account: str) -> Connection:
    connection = Connection(REGION, None, endpoint)
    # botocore reads its models of the services anew for each session, which is most of a client's making.
    connection.session._session.register_component("data_loader", _models())
    return connection


@cache
def _models() -> Loader:
    loader: Loader = get_session().get_component("data_loader")
    return loader


def open_pipeline(code: Callable[[], Bundle] = installed_code, **sections: object) -> AwsBackend:
    """Return the backend of the settings, in the account of the environment."""
    settings = Settings.model_validate({"target": "aws", **sections})
    return AwsBackend(settings, now, connect=connect, poll_interval=FAST, build_code=code)


def yes(plan: Plan) -> bool:
    """Agree."""
    return True


def quiet(event: object) -> None:
    """Ignore progress."""


class Account(Protocol):
    """What makes clients of one account."""

    def client(self, service: str) -> Any:
        """Return the client of a service."""


def holdings(connection: Account) -> dict[str, list[str]]:
    """Return the names of all that an account holds, service by service, but for what every account has."""
    return {service: sorted(found(connection)) for service, found in _LISTINGS.items()}


def _pages(
    service: str, operation: str, key: str, name: Callable[[Any], str]
) -> Callable[[Account], Iterable[str]]:
    def listed(connection: Account) -> Iterable[str]:
        pages = connection.client(service).get_paginator(operation).paginate()
        return [name(each) for page in pages for each in page.get(key, [])]

    return listed


def _workgroups(connection: Account) -> Iterable[str]:
    groups = connection.client("athena").list_work_groups()["WorkGroups"]
    return [group["Name"] for group in groups if group["Name"] != "primary"]


def _databases(connection: Account) -> Iterable[str]:
    databases = connection.client("glue").get_databases()["DatabaseList"]
    return [database["Name"] for database in databases if database["Name"] != "default"]


def _change_sets(connection: Account) -> Iterable[str]:
    cloudformation = connection.client("cloudformation")
    stacks = cloudformation.describe_stacks()["Stacks"]
    return [
        each["ChangeSetName"]
        for stack in stacks
        for each in cloudformation.list_change_sets(StackName=stack["StackName"])["Summaries"]
        if each["ExecutionStatus"] == "AVAILABLE"
    ]


_LISTINGS: Mapping[str, Callable[[Account], Iterable[str]]] = {
    "athena": _workgroups,
    "cloudformation": _pages("cloudformation", "describe_stacks", "Stacks", lambda each: each["StackName"]),
    "change sets": _change_sets,
    "cloudwatch": _pages("cloudwatch", "describe_alarms", "MetricAlarms", lambda each: each["AlarmName"]),
    "dynamodb": _pages("dynamodb", "list_tables", "TableNames", str),
    "glue": _databases,
    "iam": _pages("iam", "list_roles", "Roles", lambda each: each["RoleName"]),
    "kinesis": _pages("kinesis", "list_streams", "StreamNames", str),
    "lambda": _pages("lambda", "list_functions", "Functions", lambda each: each["FunctionName"]),
    "triggers": _pages(
        "lambda", "list_event_source_mappings", "EventSourceMappings", lambda each: each["UUID"]
    ),
    "logs": _pages("logs", "describe_log_groups", "logGroups", lambda each: each["logGroupName"]),
    "s3": lambda connection: [each["Name"] for each in connection.client("s3").list_buckets()["Buckets"]],
    "sqs": _pages("sqs", "list_queues", "QueueUrls", str),
    "sns": _pages("sns", "list_topics", "Topics", lambda each: each["TopicArn"]),
    "subscriptions": _pages(
        "sns", "list_subscriptions", "Subscriptions", lambda each: each["SubscriptionArn"]
    ),
}

"""The pipeline on AWS beside the embedded one, and an account looked at."""

import base64
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from support.aws.ministack_cli import Cloud, Row, comparable, followed
from support.aws.ministack_server import MiniStack
from support.aws.stacks import holdings
from support.cli.command import SECONDS, Command
from support.paths import DEMO


class Account(NamedTuple):
    """What an account was seen to hold."""

    code: set[str]
    """SHA-256 of what the functions run."""
    rules: Mapping[str, str]
    """Environment of the ingest function."""
    stack: str
    parameters: Mapping[str, str]
    resources: Mapping[str, str]
    """Physical ids by logical ids."""
    stream: Mapping[str, Any]
    held: Mapping[str, list[str]]


class Answers(NamedTuple):
    """What both sides answer: newest quotes and alerts."""

    latest_there: list[Row]
    latest_here: list[Row]
    alerts_there: list[Row]
    alerts_here: list[Row]


_FUNCTIONS = ("stock-market-ingest", "stock-market-trend")


class Sides:
    """The pipeline on AWS and the embedded one, which get the same configuration and the same quotes."""

    def __init__(self, folder: Path, ministack: MiniStack) -> None:
        self.cloud = Cloud(folder / "cloud", ministack)
        self.embedded = Command(folder / "embedded")
        self._sent = 0
        self._alerts: list[Row] = []
        for side in (self.cloud, self.embedded):
            side.folder.mkdir()

    def configure(self, text: str) -> None:
        """Have both read this configuration from now on."""
        for side in (self.cloud, self.embedded):
            (side.folder / "stockctl.toml").write_text(text)

    def replay(self, rows: slice) -> None:
        """Send rows of the file to both, and wait until AWS has stored the quotes and logged the alerts."""
        lines = DEMO.read_text().splitlines()
        file = self.cloud.folder / "quotes.csv"
        file.write_text("\n".join([lines[0], *lines[rows]]) + "\n")
        package = {} if self.cloud.package is None else {"PYTHONPATH": str(self.cloud.package)}
        self.embedded.ok("stream", "--quiet", "--file", str(file), extra=package)
        self.cloud.ok("stream", "--file", str(file))
        self._sent += len(lines[rows])
        self._await_quotes()
        self._alerts = self.embedded.rows("alerts", "list", "--limit", "0")
        followed(self.cloud.follow(), len(self._alerts))

    def _await_quotes(self) -> None:
        dynamodb, deadline = self.cloud.client("dynamodb"), time.monotonic() + SECONDS
        while dynamodb.scan(TableName="stock-market-data", Select="COUNT")["Count"] < self._sent:
            assert time.monotonic() < deadline, "the quotes were not stored"
            time.sleep(0.1)

    def answers(self) -> Answers:
        """Return what both answer now."""
        return Answers(
            self.cloud.rows("query", "latest"),
            self.embedded.rows("query", "latest"),
            comparable(self.cloud.rows("alerts", "list", "--limit", "0")),
            comparable(self._alerts),
        )

    def look(self) -> Account:
        """Look at the account."""
        functions = self.cloud.client("lambda")
        described = [functions.get_function_configuration(FunctionName=name) for name in _FUNCTIONS]
        cloudformation = self.cloud.client("cloudformation")
        (stack,) = cloudformation.describe_stacks(StackName="stockctl")["Stacks"]
        resources = cloudformation.list_stack_resources(StackName="stockctl")["StackResourceSummaries"]
        return Account(
            {base64.b64decode(each["CodeSha256"]).hex() for each in described},
            described[0]["Environment"]["Variables"],
            stack["StackStatus"],
            {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]},
            {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources},
            self.cloud.client("kinesis").describe_stream_summary(StreamName="stock-market-stream")[
                "StreamDescriptionSummary"
            ],
            holdings(self.cloud),
        )

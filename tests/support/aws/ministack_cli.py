"""Runs the command line against an account of MiniStack."""

import json
import os
import pty
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from support.aws.ministack_server import REGION, MiniStack, client_of, new_account
from support.cli.command import SECONDS, Command, finish

Row = dict[str, Any]
TOLD_LATER = ("created_at", "published_at")
"""What two pipelines cannot have in common in an alert."""


class Cloud(Command):
    """Runs stockctl with its target on AWS, in an account of its own.

    Args:
        folder: home and working directory of the children.
        ministack: where the account is.
    """

    def __init__(self, folder: Path, ministack: MiniStack) -> None:
        super().__init__(folder)
        self.account = new_account()
        self.package: Path | None = None
        """Folder with the package to run; None: the one that is installed."""
        self._ministack = ministack
        self._clients: dict[str, Any] = {}

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a child."""
        own = {**self._ministack.environment(self.account), "STOCKCTL_TARGET": "aws"}
        if self.package is not None:
            own["PYTHONPATH"] = str(self.package)
        return super().environment({**own, **(extra or {})})

    def client(self, service: str) -> Any:
        """Return the client of a service for the same account."""
        if service not in self._clients:
            self._clients[service] = client_of(self._ministack, self.account, service)
        return self._clients[service]

    def follow(self) -> subprocess.Popen[str]:
        """Start to follow the alert log, from an hour ago on."""
        return self.start("alerts", "tail", "--since", "1h", "-o", "json")

    def data_bucket(self) -> str:
        """Return the name of the bucket that holds the data."""
        buckets = [each["Name"] for each in self.client("s3").list_buckets()["Buckets"]]
        (name,) = [each for each in buckets if "artifacts" not in each]
        return name


class Subscribed(Cloud):
    """An account with two queues that are subscribed to alerts."""

    all_queue = "all-alerts"
    """The configuration has it."""
    some_queue = "some-alerts"
    """It was subscribed by hand, with a filter."""
    tailed: Sequence[Row] = ()
    """The alerts that a tail has shown."""

    def arn(self, queue: str) -> str:
        """Return the ARN of a queue."""
        return f"arn:aws:sqs:{REGION}:{self.account}:{queue}"

    def url(self, queue: str) -> str:
        """Return the address of a queue."""
        return self.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"]

    def received(self, queue: str, number: int) -> list[Row]:
        """Return what SNS has put into a queue, once there are ``number`` messages, and what is beyond."""
        sqs, url = self.client("sqs"), self.url(queue)
        messages: list[Row] = []
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            wait = 0 if len(messages) >= number else 1
            answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait)
            if not answer.get("Messages") and not wait:
                break
            for message in answer.get("Messages", []):
                messages.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return messages


def followed(tail: subprocess.Popen[str], number: int) -> list[Row]:
    """Return the alerts that a tail shows until there are ``number``, and end it with Ctrl-C."""
    assert tail.stdout is not None
    alerts: list[Row] = []
    watchdog = threading.Timer(SECONDS, tail.kill)
    watchdog.start()
    while len(alerts) < number and (line := tail.stdout.readline()):
        alerts.append(json.loads(line))
    watchdog.cancel()
    code, rest, err = finish(tail, signal.SIGINT)
    assert (code, rest) == (130, ""), (code, rest, err, f"{len(alerts)} of {number} alerts")
    return alerts


def comparable(alerts: list[Row]) -> list[Row]:
    """Return real alerts without what depends on the moment, in the order of their identity."""
    kept = [
        {name: value for name, value in alert.items() if name not in TOLD_LATER}
        for alert in alerts
        if not alert["alert_id"].startswith("TEST|")
    ]
    return sorted(kept, key=lambda alert: alert["alert_id"])


class OnTerminal:
    """A child whose standard error is a terminal, while its standard output is piped."""

    def __init__(self, command: Command, *arguments: str, extra: Mapping[str, str] | None = None) -> None:
        self._terminal, theirs = pty.openpty()
        self.child = command.start(
            *arguments, extra={"TERM": "xterm-256color", **(extra or {})}, stderr=theirs
        )
        os.close(theirs)

    def end(self, number: int | None = None) -> tuple[int, str, str]:
        """Return exit code, standard output and what was on the terminal, after a signal if there is one."""
        if number is not None:
            self.child.send_signal(number)
        shown = self._read()
        out, _ = self.child.communicate(timeout=SECONDS)
        return self.child.returncode, out, shown

    def _read(self) -> str:
        """Return the content of the terminal, after all writers have closed it."""
        blocks = []
        try:
            while block := os.read(self._terminal, 65_536):
                blocks.append(block)
        except OSError:
            # Linux has no end of a terminal's file, but an error when its other side is closed.
            pass
        finally:
            os.close(self._terminal)
        return b"".join(blocks).decode()

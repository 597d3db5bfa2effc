"""Fixtures for the tests of the AWS backend."""

import os
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from unittest.mock import patch

import pytest
from botocore.stub import Stubber
from moto import mock_aws

from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.names import Names, names_of
from stockctl.backends.aws.parallel import Parallel
from stockctl.config.schema import Settings
from stockctl.retry import Backoff
from support.aws.ministack_server import aws_account, ministack
from support.aws.moto_account import ACCOUNT, CREDENTIALS, REGION, account

__all__ = ["aws_account", "ministack"]


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A connection to an account that holds the empty tables, bucket, topic and stream."""
    with account() as connection:
        yield connection


@pytest.fixture
def parallel() -> Iterator[Parallel]:
    """A small thread pool."""
    pool = Parallel(4)
    yield pool
    pool.close()


@pytest.fixture
def pauses() -> list[float]:
    """The pauses that ``backoff`` made."""
    return []


@pytest.fixture
def backoff(pauses: list[float]) -> Backoff:
    """Four tries; the pauses are noted, not waited for."""
    return Backoff(attempts=4, sleep=pauses.append, uniform=lambda low, high: high)


@pytest.fixture
def scripted() -> Iterator[Callable[[Any], Stubber]]:
    """Put a script of answers behind a client."""
    stubbers = []

    def script(client: Any) -> Stubber:
        stubber = Stubber(client)
        stubber.activate()
        stubbers.append(stubber)
        return stubber

    yield script
    for stubber in stubbers:
        stubber.deactivate()


@cache
def _connection() -> Connection:
    """Return the connection that tests share, as making a client takes longer than most tests."""
    with patch.dict(os.environ, CREDENTIALS):
        connection = Connection(REGION)
        for service in ("cloudformation", "iam", "logs", "s3", "sns", "sqs", "sts"):
            connection.client(service)
    return connection


@pytest.fixture
def empty_account() -> Iterator[Connection]:
    """A connection to an account of moto that holds nothing."""
    connection = _connection()
    with mock_aws():
        yield connection


@pytest.fixture
def names() -> Names:
    """The names that come by default."""
    return names_of(Settings(), ACCOUNT, REGION)

"""What the tests of the commands' AWS side share."""

import os
from collections.abc import Iterator
from functools import cache
from unittest.mock import patch

import pytest
from aws_account import ACCOUNT, CREDENTIALS, REGION
from ministack_server import aws_account, ministack
from moto import mock_aws

from stockctl.aws.clients import Connection
from stockctl.aws.names import Names, names_of
from stockctl.config import Settings

__all__ = ["aws_account", "ministack"]


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

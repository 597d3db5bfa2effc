"""What tests of the AWS adapters share."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aws_account import account
from botocore.stub import Stubber

from stockctl.aws.backoff import Backoff
from stockctl.aws.clients import Connection
from stockctl.aws.parallel import Parallel


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A connection to an account that holds the empty tables, bucket, topic and stream."""
    with account() as connection:
        yield connection


@pytest.fixture
def parallel() -> Iterator[Parallel]:
    """A small crew."""
    crew = Parallel(4)
    yield crew
    crew.close()


@pytest.fixture
def pauses() -> list[float]:
    """The pauses that ``backoff`` made."""
    return []


@pytest.fixture
def backoff(pauses: list[float]) -> Backoff:
    """Four tries; the pauses are noted, not waited for."""
    return Backoff(attempts=4, sleep=pauses.append, draw=lambda low, high: high)


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

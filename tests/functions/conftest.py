"""Fixtures for the tests of the functions."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.aws.lambda_functions import Functions, clients_of, load_functions, log_into, reports
from support.aws.memory_services import Memory


@pytest.fixture(scope="session")
def functions() -> Functions:
    """The modules of the two entry points."""
    return load_functions()


@pytest.fixture
def logged(functions: Functions) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """Return the lines that the functions logged with a message, as JSON."""
    stream = io.StringIO()
    log_into(functions, stream)

    def lines(message: str) -> list[dict[str, Any]]:
        return [line for line in reports(stream.getvalue()) if line["message"] == message]

    yield lines
    log_into(functions, io.StringIO())


@pytest.fixture
def memory(functions: Functions) -> Iterator[Memory]:
    """The services that the functions call, in memory, and no faults."""
    memory = Memory()
    with memory.behind(*clients_of(functions)):
        yield memory

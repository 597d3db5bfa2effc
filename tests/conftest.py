"""What all tests share."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.environment import isolate

_COLOR = "no" if os.environ.get("NO_COLOR") else "yes" if os.environ.get("FORCE_COLOR") else "auto"
isolate()  # before anything below reads the environment

from support.cli.command import FORKS, Command  # noqa: E402


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let pytest itself write in colour as the caller asked, whose variables the tests do not see."""
    if config.option.color == "auto":
        config.option.color = _COLOR


def pytest_collection_finish() -> None:
    """Spare the garbage collector what was imported: it stays to the end, and is much to look through."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_forks_in_the_end() -> Iterator[None]:
    """What the command line forks from ends with the tests."""
    yield
    FORKS.close()


@pytest.fixture
def stockctl(tmp_path: Path) -> Command:
    """The command line, in a folder of its own."""
    return Command(tmp_path)

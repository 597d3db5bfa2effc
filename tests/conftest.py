"""What all tests share."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.environment import isolate
from support.paths import TESTS

_COLOR = "no" if os.environ.get("NO_COLOR") else "yes" if os.environ.get("FORCE_COLOR") else "auto"
isolate()  # before anything below reads the environment

from support.cli.command import FORKS, Command  # noqa: E402

WORKERS_PER_CORE = 3
"""Most of the time of the whole suite is waiting: for child processes, servers and deadlines."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Let pytest itself write in color as the caller asked, whose variables the tests do not see.

    Without the slow tests, tests with random examples take fewer of them.
    """
    if config.option.color == "auto":
        config.option.color = _COLOR
    if "not slow" in config.option.markexpr:
        os.environ.setdefault("STOCKCTL_EXAMPLES", "0.2")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return what ``-n auto`` means: few workers where no test waits, as each imports everything."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(12, cores + 1 if "not slow" in config.option.markexpr else cores * WORKERS_PER_CORE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import the tests of AWS when ``-m`` leaves them out: their libraries are the largest."""
    words = config.option.markexpr.split()
    return True if "or" not in words and "not aws" in " ".join(words) and _is_aws(collection_path) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of AWS, and start the files with slow tests first, as the last one is waited for."""
    for item in items:
        if _is_aws(item.path) or "ministack" in getattr(item, "fixturenames", ()):
            item.add_marker("aws")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def _is_aws(path: Path) -> bool:
    """Tell whether a file or folder of tests is about AWS."""
    place = path.relative_to(TESTS).as_posix() if path.is_relative_to(TESTS) else ""
    return place.startswith(("backends/aws", "functions")) or "_aws" in path.name


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

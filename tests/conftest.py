"""What tests of every room share."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cli.command import FORKS, Command

_REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_finish() -> None:
    """Spare the garbage collector what was imported: it stays to the end, and is much to look through."""
    gc.freeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real market data that is not part of this repository."""
    folder = Path(os.environ.get("STOCKCTL_SHARED", _REPOSITORY.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"no market data in {folder}; set STOCKCTL_SHARED to the folder that holds data/")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _no_forks_in_the_end() -> Iterator[None]:
    """What the command line forks from ends with the tests."""
    yield
    FORKS.close()


@pytest.fixture
def stockctl(tmp_path: Path) -> Command:
    """The command line, in a folder of its own."""
    return Command(tmp_path)

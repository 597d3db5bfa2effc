"""A producer killed with SIGKILL at random moments and started again: nothing lost, order kept."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from stockctl.backends.aws.kinesis.send_operation import CALL_RECORDS
from stockctl.backends.aws.kinesis.stream import AGGREGATED_RECORDS
from stockctl.market.quote import encode_quote
from support.aws.kinesis_server import Script, journal, kinesis_null, unpacked
from support.local_home import stored_rows
from support.paths import REPOSITORY, TESTS
from support.producer_child import AGGREGATED
from support.producer_inputs import noted, ticks_of
from support.reference_figures import book_of

pytestmark = pytest.mark.slow

SYMBOLS, TICKS, KILLS = 40, 90, 3
SECONDS = 60.0
PACE = 0.03
"""Seconds between two ticks of who is to be killed: whoever kills it may be late, and is not too late."""
KEPT_FIRST = 1
"""A seed with which the stand-in keeps what comes in its first call."""


def start(folder: Path, target: str, pace: float = 0.0) -> subprocess.Popen[str]:
    numbers = map(str, (SYMBOLS, TICKS, SECONDS, pace))
    return subprocess.Popen(
        [sys.executable, str(TESTS / "support" / "producer_child.py"), str(folder), target, *numbers],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(REPOSITORY)])},
    )


def killed_and_run(folder: Path, target: str, seed: int) -> int:
    """Kill some children after a random number of receipts, let one end; return how many died at work."""
    random = Random(seed)
    died = 0
    for _ in range(KILLS):
        with start(folder, target, PACE) as child:
            assert child.stdout is not None
            for _ in range(random.randrange(1, 6)):
                child.stdout.readline()
            child.send_signal(signal.SIGKILL)
        died += child.returncode == -signal.SIGKILL
    with start(folder, target) as child:
        child.communicate()
    assert child.returncode == 0
    assert noted(folder / "position") == TICKS
    return died


@pytest.mark.parametrize(
    ("way", "failing", "under_way"),
    [("", 0.0, CALL_RECORDS), ("", 0.1, CALL_RECORDS), (AGGREGATED, 0.1, AGGREGATED_RECORDS)],
)
def test_killed_before_kinesis(tmp_path: Path, way: str, failing: float, under_way: int):
    """Every quote is delivered; a kill repeats at most what was under way and the tick in hand."""
    script = Script(journal=str(tmp_path / "journal"), failing=failing, code="InternalFailure", seed=2)
    with kinesis_null(script) as server:
        died = killed_and_run(tmp_path, way + server.url, 3)
    assert died > 0
    found = unpacked(tmp_path / "journal")
    for symbol in range(SYMBOLS):
        arrived = [data for key, data in found if key == f"S{symbol}"]
        expected = [encode_quote(tick[symbol]) for tick in ticks_of(SYMBOLS, TICKS)]
        assert list(dict.fromkeys(arrived)) == expected
    repeats = sum(count - 1 for count in Counter(found).values())
    assert repeats <= died * (under_way + SYMBOLS)


@pytest.mark.parametrize("way", ["", AGGREGATED])
def test_what_arrived_unacknowledged_before_a_kill_is_told_by_the_next_run(tmp_path: Path, way: str):
    """Killed after Kinesis took a call, before it said so: what comes twice counts as possibly duplicated."""
    path = tmp_path / "journal"
    with kinesis_null(Script(journal=str(path), silent=1.0, seed=KEPT_FIRST)) as server:
        with start(tmp_path, way + server.url) as child:
            until(lambda: bool(journal(path)))
            child.send_signal(signal.SIGKILL)
        server.stop()
        arrived = len(unpacked(path))
        server.start(silent=0.0)
        with start(tmp_path, way + server.url) as child:
            out, _ = child.communicate()
    found = Counter(unpacked(path))
    assert len(found) == SYMBOLS * TICKS
    assert found.total() > len(found)
    assert 0 < arrived <= json.loads(out.splitlines()[-1])["uncertain"]


def until(true: Callable[[], bool]) -> None:
    """Wait for something that another process does and does not tell."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < SECONDS
        time.sleep(0.01)


def test_killed_before_the_embedded_home(tmp_path: Path):
    """The home holds what an undisturbed run leaves: each quote with its figures, once."""
    home = tmp_path / "home"
    assert killed_and_run(tmp_path, str(home), 5) > 0
    quotes = [json.loads(encode_quote(quote)) for tick in ticks_of(SYMBOLS, TICKS) for quote in tick]
    plain = [{**quote, "price": str(quote["price"])} for quote in quotes]
    assert stored_rows(home) == book_of(plain).stored()

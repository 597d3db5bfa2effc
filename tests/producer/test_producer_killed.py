"""A producer killed with SIGKILL at random moments and started again: nothing lost, order kept."""

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from embedded import stored_rows
from feeds import noted, ticks_of
from kinesis_null import Script, journal, kinesis_null
from reference import book_of

from stockctl.market.quote import encode_quote

_CHILD = Path(__file__).resolve().parents[1] / "producer_child.py"
SYMBOLS, TICKS, KILLS = 40, 90, 3
PACE = 0.03
"""Seconds between two ticks of who is to be killed: whoever kills it may be late, and is not too late."""


def start(folder: Path, target: str, pace: float = 0.0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(_CHILD), str(folder), target, str(SYMBOLS), str(TICKS), "60", str(pace)],
        stdout=subprocess.PIPE,
        text=True,
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


@pytest.mark.parametrize("failing", [0.0, 0.1])
def test_killed_before_kinesis(tmp_path: Path, failing: float):
    """Every quote is delivered; a kill repeats at most the call under way and the tick in hand."""
    script = Script(journal=str(tmp_path / "journal"), failing=failing, code="InternalFailure", seed=2)
    with kinesis_null(script) as server:
        died = killed_and_run(tmp_path, server.url, 3)
    assert died > 0
    found = journal(tmp_path / "journal")
    for symbol in range(SYMBOLS):
        arrived = [data for key, data in found if key == f"S{symbol}"]
        expected = [encode_quote(tick[symbol]) for tick in ticks_of(SYMBOLS, TICKS)]
        assert list(dict.fromkeys(arrived)) == expected
    repeats = sum(count - 1 for count in Counter(found).values())
    assert repeats <= died * (500 + SYMBOLS)


def test_killed_before_the_embedded_home(tmp_path: Path):
    """The home holds what an undisturbed run leaves: each quote with its figures, once."""
    home = tmp_path / "home"
    assert killed_and_run(tmp_path, str(home), 5) > 0
    quotes = [json.loads(encode_quote(quote)) for tick in ticks_of(SYMBOLS, TICKS) for quote in tick]
    plain = [{**quote, "price": str(quote["price"])} for quote in quotes]
    assert stored_rows(home) == book_of(plain).stored()

"""Each benchmark runs, small: what it compares it insists on itself; its speed is nobody's business here."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import REPOSITORY

pytestmark = pytest.mark.slow

RUNS = {
    "throughput": (("--case", "500", "10", "--repeat", "1"), ["500      10"]),
    "latency": (("--quotes", "500", "--commands", "2"), ["alert logged", "history", "query latest"]),
    "producer": (
        ("--quotes", "3000", "--repeat", "1"),
        ["put_record ", "put_records(500)", "unchecked", "producer", "aggregated", "stream, no outbox"],
    ),
    "producer_memory": (
        ("--seconds", "2", "--quotes", "30000"),
        ["20,000 sent, 0 wait", "30,000 sent, 0 wait"],
    ),
    "aggregation": (("--quotes", "500", "--symbols", "50", "--tick", "500"), ["shards"]),
    "aws_calls": (("--quotes", "20", "--batch", "10", "--milliseconds", "0"), ["calls"]),
    "structure": ((), ["stockctl.pipeline.ingest", "stockctl.market.enrichment", "stockctl.config.schema"]),
}


@pytest.mark.parametrize("name", RUNS)
def test_it_runs_and_prints_its_rows(name: str, tmp_path: Path) -> None:
    """A figure in the README is worth what the command behind it is."""
    arguments, rows = RUNS[name]
    done = subprocess.run(
        [sys.executable, REPOSITORY / "benchmarks" / f"{name}.py", *arguments],
        capture_output=True,
        text=True,
        env={"PATH": "", "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for row in rows:
        assert row in done.stdout
    assert not list(tmp_path.iterdir())

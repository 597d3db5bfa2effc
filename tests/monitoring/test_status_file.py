"""What a producer leaves beside its outbox, and what another process makes of it."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace

import pytest

from stockctl.monitoring.health import HealthCheck
from stockctl.monitoring.status_file import StatusFile
from stockctl.monitoring.status_reader import read_producer_status
from stockctl.producer.outbox import lock
from stockctl.producer.outbox.paths import LOCK, STATUS, beside
from stockctl.producer.outbox.queue import Outbox
from support.run_figures import figures

LIMIT = 1 << 20
WRITTEN = 1060.5


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Path]:
    """The file of an outbox that this process uses."""
    path = tmp_path / "outbox.db"
    opened = Outbox(path, limit=LIMIT)
    yield path
    opened.close()


def written(outbox: Path, **changed: object) -> StatusFile:
    """Return a state file that was written a minute after the start."""
    file = StatusFile(outbox, lambda: WRITTEN)
    file.write(figures(**changed))
    return file


def test_a_running_producer_is_seen_with_its_figures(outbox: Path):
    """Since when it runs, how old the figures are, and each figure by its name."""
    written(outbox, breaker="open", reconnects=2, fault="no answer")
    status = read_producer_status(outbox, lambda: WRITTEN + 1.5)
    assert status is not None
    facts = dict(status.facts())
    assert (facts["producer"], facts["producer_pid"], facts["producer_age"]) == ("running", os.getpid(), 1.5)
    assert facts["producer_since"] == "1970-01-01T00:16:40.000Z"
    assert facts["producer_seen"] == "1970-01-01T00:17:40.500Z"
    assert (facts["producer_source"], facts["producer_delivery"]) == ("feed", "waiting")
    assert (facts["producer_reason"], facts["producer_breaker"]) == ("no answer", "open")
    assert (facts["producer_sent"], facts["producer_waiting"], facts["producer_reconnects"]) == (1234, 5, 2)
    assert (facts["producer_lag_p50"], facts["producer_lag_p99"]) == (0.012, 4.5)


def test_quotes_that_go_nowhere_are_counted(outbox: Path):
    """The count of what the source left out is read back as it was written."""
    written(outbox, issues={"backwards": 3, "timeless": 1, "scale": 2})
    status = read_producer_status(outbox, lambda: WRITTEN)
    assert status is not None
    assert dict(status.facts())["producer_left_out"] == 4


def test_one_that_lives_and_tells_nothing_new_is_silent(outbox: Path):
    """It was suspended, say; its figures are shown with their age."""
    written(outbox)
    status = read_producer_status(outbox, lambda: WRITTEN + 60)
    assert status is not None
    assert (status.state, status.age, status.metrics["sent"]) == ("silent", 60, 1234)


def test_a_hung_thread_is_told_with_the_reason(outbox: Path):
    """Other than the health file, this one is written then, too."""
    written(outbox, health=HealthCheck(False, "the source has shown no sign of life for 400 s"))
    status = read_producer_status(outbox, lambda: WRITTEN)
    assert status is not None
    assert status.metrics["health"] == "hung"
    assert status.metrics["hung"] == "the source has shown no sign of life for 400 s"


def test_one_that_has_not_told_anything_yet_is_starting(outbox: Path):
    """What another one left, that was killed, is not taken for its own."""
    assert read_producer_status(outbox) == ("starting", os.getpid(), None, None, None, {}, "")
    written(outbox)
    document = json.loads(beside(outbox, STATUS).read_text())
    beside(outbox, STATUS).write_text(json.dumps({**document, "pid": os.getpid() + 1}))
    assert read_producer_status(outbox) == ("starting", os.getpid(), None, None, None, {}, "")


def test_one_that_failed_has_told_why(outbox: Path):
    """Its figures are not shown as if they were of now, whether it still holds its outbox or not."""
    written(outbox).fail(figures(), "There is no stream.")
    status = read_producer_status(outbox, lambda: WRITTEN + 5)
    assert status is not None
    assert (status.state, status.age) == ("failed", 5)
    assert status.metrics == {"source": "feed", "failure": "There is no stream."}


def test_the_reason_of_an_end_is_the_last_word(outbox: Path):
    """A thread that has not heard of the end yet does not write over it."""
    file = written(outbox)
    file.fail(figures(), "Stopped at once.")
    file.write(figures())
    status = read_producer_status(outbox, lambda: WRITTEN)
    assert status is not None
    assert status.metrics["failure"] == "Stopped at once."


def test_one_whose_process_has_gone_has_died(tmp_path: Path):
    """Nobody holds the outbox any more; what it was is told, and no figures."""
    outbox = tmp_path / "outbox.db"
    subprocess.run(
        [
            sys.executable, "-c",
            "import os, sys; from pathlib import Path; from support.run_figures import figures\n"
            "from stockctl.producer.outbox.queue import Outbox\n"
            "from stockctl.monitoring.status_file import StatusFile\n"
            "path = Path(sys.argv[1]); outbox = Outbox(path, limit=1 << 20)\n"
            "StatusFile(path).write(figures()); os.kill(os.getpid(), 9)",
            str(outbox),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )  # fmt: skip
    status = read_producer_status(outbox)
    assert status is not None
    assert (status.state, status.metrics) == ("died", {"source": "feed"})
    assert status.pid != os.getpid()


def test_after_a_clean_end_there_is_nothing_to_see(tmp_path: Path):
    """Nor before the first producer."""
    path = tmp_path / "outbox.db"
    assert read_producer_status(path) is None
    opened = Outbox(path, limit=LIMIT)
    file = written(path)
    assert beside(path, STATUS).exists()
    file.remove()
    opened.close()
    assert read_producer_status(path) is None
    assert not beside(path, STATUS).exists()


def test_nothing_is_written_beside_an_outbox_that_is_gone(tmp_path: Path):
    """A teardown has removed it; the folder stays empty."""
    file = written(tmp_path / "outbox.db")
    file.fail(figures(), "torn down")
    assert list(tmp_path.iterdir()) == []


FOREIGN = [
    b"", b"[]", b"null", b"\xff\xfe", b"[" * 60_000, b'{"pid": 1', b"{}", b'{"a": ' + b"1" * 5000 + b"}",
    b'{"pid": true, "time": 2, "seconds": 1, "source": "x"}',
    b'{"pid": 0, "time": 2, "seconds": 1, "source": "x"}',
    b'{"pid": 7, "time": NaN, "seconds": 1, "source": "x"}',
    b'{"pid": 7, "time": 1e300, "seconds": 1, "source": "x"}',
    b'{"pid": 7, "time": 2, "seconds": 5, "source": "x"}',
    b'{"pid": 7, "time": 2, "seconds": 1}',
    b'{"pid": 7, "time": 2, "seconds": 1, "source": "x", "sent": "many"}',
    b'{"pid": 7, "time": 2, "seconds": 1, "source": "x", "breaker": 3}',
    b'{"pid": 7, "time": 2, "seconds": 1, "source": "x", "breaker_until": "soon"}',
]  # fmt: skip


@pytest.mark.parametrize("content", FOREIGN, ids=range(len(FOREIGN)))
def test_what_no_producer_wrote_is_named_and_nothing_of_it_believed(outbox: Path, content: bytes):
    """With the file and the reason; the process that holds the outbox is known all the same."""
    beside(outbox, STATUS).write_bytes(content)
    status = read_producer_status(outbox)
    assert status is not None
    assert (status.state, status.pid, status.metrics) == ("unknown", os.getpid(), {})
    assert status.error.startswith(f"{beside(outbox, STATUS)} cannot be read: it")


def test_what_is_no_file_is_not_waited_for(outbox: Path):
    """A pipe would keep whoever opens it waiting for ever."""
    os.mkfifo(beside(outbox, STATUS))
    status = read_producer_status(outbox)
    assert status is not None
    assert status.error.endswith("cannot be read: it is not a regular file")


@pytest.mark.slow
def test_whoever_looks_does_not_keep_a_producer_from_starting(tmp_path: Path):
    """A look holds the lock for a moment, which a producer waits for."""
    path, stop = tmp_path / "outbox.db", Event()
    Outbox(path, limit=LIMIT).close()

    def look_all_the_time() -> None:
        while not stop.is_set():
            read_producer_status(path)

    thread = Thread(target=look_all_the_time)
    thread.start()
    try:
        for _ in range(100):
            Outbox(path, limit=LIMIT).close()
    finally:
        stop.set()
        thread.join()


def test_whoever_is_slow_to_look_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """On a machine that has much to do, a look may take long; it is no other producer."""
    path, waited = tmp_path / "outbox.db", []
    Outbox(path, limit=LIMIT).close()
    with beside(path, LOCK).open() as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_SH)

        def sleep(seconds: float) -> None:
            waited.append(seconds)
            if sum(waited) > 1:
                fcntl.flock(looked_at, fcntl.LOCK_UN)

        monkeypatch.setattr(lock, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
        Outbox(path, limit=LIMIT).close()
    assert sum(waited) > 1

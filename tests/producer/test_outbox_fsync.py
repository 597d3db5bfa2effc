"""The thread that forces the outbox onto the disk: it ends whenever it is told to, and misses nothing."""

from collections.abc import Iterator
from contextlib import closing
from threading import Thread

import pytest

from stockctl.producer.outbox import fsync
from stockctl.producer.outbox.fsync import FsyncThread
from stockctl.producer.outbox.store import OutboxFile


@pytest.fixture
def file(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[OutboxFile]:
    """An empty outbox, looked at every moment."""
    monkeypatch.setattr(fsync, "INTERVAL", 0.001)
    with closing(OutboxFile(tmp_path_factory.mktemp("sync") / "o.db")) as opened:
        yield opened


def test_it_ends_though_it_is_told_so_while_it_looks(file: OutboxFile):
    """Between its look and its sleep a wish to end must not be lost, or the program would never end."""
    closers: list[Thread] = []

    def waits_since() -> None:
        closer = Thread(target=fsync_thread.close, daemon=True)
        closers.append(closer)
        closer.start()
        closer.join(0.05)  # it has said so by then, and waits for this thread

    fsync_thread = FsyncThread(file, waits_since)
    fsync_thread.written()
    assert fsync_thread.wait_for_sync(10)
    closers[0].join(10)
    assert not closers[0].is_alive()


def test_what_comes_while_it_looks_is_seen(file: OutboxFile):
    """A quote put just when nothing waited is forced onto the disk like any other."""
    looks: list[float | None] = [1.0, None]

    def waits_since() -> float | None:
        if len(looks) == 2:
            fsync_thread.written()  # just now the other thread puts one
        return looks.pop()

    fsync_thread = FsyncThread(file, waits_since)
    fsync_thread.written()
    assert fsync_thread.wait_for_sync(10)
    assert (fsync_thread.syncs, looks) == (1, [])
    fsync_thread.close()

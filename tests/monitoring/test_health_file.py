"""The health file, and what the supervisor is told."""

import json
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from stockctl.errors import MonitoringError
from stockctl.monitoring.health import HealthCheck
from stockctl.monitoring.status_file import HealthFile
from stockctl.monitoring.systemd import SystemdNotifier
from support.run_figures import figures


def test_the_file_holds_the_figures(tmp_path: Path):
    """As one JSON object, with time, process and what keeps the delivery."""
    issues = {"backwards": 3, "timeless": 1, "scale": 2}
    HealthFile(tmp_path / "health.json", lambda: 1060.5).create(figures(fault="no answer", issues=issues))
    text = (tmp_path / "health.json").read_text()
    assert text.endswith("}\n")
    assert json.loads(text) == {
        "time": 1060.5, "pid": os.getpid(), "seconds": 60.5, "reason": "no answer", "source": "feed",
        "delivery": "waiting", "health": "healthy", "symbols": 3, "received": 1300, "sent": 1234,
        "waiting": 5, "retried": 6, "refused": 7, "throttled": 8, "uncertain": 9, "dropped": 10,
        "left_out": 4, "alerts": 11, "reconnects": None, "lag_p50": 0.012, "lag_p99": 4.5,
    }  # fmt: skip


def test_each_writing_replaces_it_whole(tmp_path: Path):
    """Another file takes its place, so that nobody reads half of one; nothing else is left behind."""
    path = tmp_path / "health.json"
    file = HealthFile(path, lambda: 1000.0)
    file.create(figures())
    with path.open() as before:
        file.write(figures(sent=99))
        assert json.load(before)["sent"] == 1234
    assert json.loads(path.read_text())["sent"] == 99
    assert list(tmp_path.iterdir()) == [path]


def test_it_grows_old_while_a_thread_is_hung(tmp_path: Path):
    """And is young again when all is well; a stream that cannot be reached is no illness."""
    path = tmp_path / "health.json"
    file = HealthFile(path)
    file.create(figures())
    os.utime(path, (1, 1))
    file.write(figures(health=HealthCheck(False, "hung")))
    assert path.stat().st_mtime == 1
    file.write(figures(fault="no answer"))
    assert path.stat().st_mtime > 1


def test_it_goes_at_a_clean_end(tmp_path: Path):
    """Whoever removed it first."""
    file = HealthFile(tmp_path / "health.json")
    file.create(figures())
    file.remove()
    file.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["absent/health.json", "."])
def test_a_path_that_cannot_be_written_is_refused_at_once(tmp_path: Path, name: str):
    """Before anything begins, with the reason."""
    with pytest.raises(MonitoringError, match=r"The health file .* cannot be written: ") as refused:
        HealthFile(tmp_path / name).create(figures())
    assert "--health-file" in str(refused.value.hint)


def test_a_disk_that_is_full_later_is_told_once_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    """The file grows old, which says it as well."""
    monkeypatch.setattr(logging.getLogger("stockctl"), "propagate", True)
    folder = tmp_path / "there"
    folder.mkdir()
    file = HealthFile(folder / "health.json")
    file.create(figures())
    file.remove()
    folder.rmdir()
    file.write(figures())
    file.write(figures())
    assert len(caplog.records) == 1
    assert "is not updated: it cannot be written" in caplog.text
    folder.mkdir()
    file.write(figures())
    assert (folder / "health.json").exists()


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[socket.socket]:
    """A supervisor's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(30)
        yield listener


def test_a_supervisor_hears_beginning_life_and_end(tmp_path: Path, listening: socket.socket):
    """In the words of its protocol; a status is one line whatever is in it."""
    supervisor = SystemdNotifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
    assert supervisor.listens
    supervisor.ready()
    supervisor.alive("waiting (no\nanswer)")
    supervisor.stopping()
    heard = [listening.recv(4096) for _ in range(3)]
    assert heard == [b"READY=1", b"WATCHDOG=1\nSTATUS=waiting (no answer)", b"STOPPING=1"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="abstract sockets are Linux's")
def test_a_supervisor_may_have_an_abstract_address(tmp_path: Path):
    """As some containers give it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        name = f"stockctl-test-{os.getpid()}"
        listener.bind(f"\0{name}")
        listener.settimeout(30)
        SystemdNotifier({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert listener.recv(100) == b"READY=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_a_supervisor_nothing_is_said(environment: dict[str, str]):
    """Nobody listens, nothing fails."""
    supervisor = SystemdNotifier(environment)
    assert not supervisor.listens
    supervisor.ready()


def test_a_supervisor_that_has_gone_ends_nothing(tmp_path: Path):
    """The work goes on without it."""
    SystemdNotifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).alive("delivering")

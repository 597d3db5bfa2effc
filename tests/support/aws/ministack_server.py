"""One MiniStack for the whole test session: a real HTTPS endpoint that plays AWS on the loopback.

It runs with IAM enforced and with TLS (bucket policies refuse plain HTTP), its state in a temporary
folder. Every twelve digits make an account of their own, so a test takes a fresh account and needs no
cleaning. The workers of a parallel run share the one process; the last to finish ends it.
"""

import fcntl
import itertools
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import boto3
import pytest
import trustme

REGION = "eu-west-1"
_START_SECONDS = 60
_TRIES = 3
_accounts = itertools.count(1)
_children: dict[int, subprocess.Popen] = {}


class MiniStack(NamedTuple):
    """A running MiniStack."""

    endpoint: str
    authority: Path
    """PEM file of the certificate authority that a client has to trust."""

    def environment(self, account: str) -> dict[str, str]:
        """Return what a process needs to talk to it as the root of ``account``."""
        return {
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CA_BUNDLE": str(self.authority),
            "STOCKCTL_AWS__ENDPOINT_URL": self.endpoint,
            "STOCKCTL_AWS__REGION": REGION,
        }


def new_account() -> str:
    """Return the number of an account that no other test uses."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    return f"{worker + 1:03d}{next(_accounts):09d}"


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniStack]:
    """The session's MiniStack."""
    root = tmp_path_factory.getbasetemp()
    shared = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    folder = shared / "ministack"
    folder.mkdir(exist_ok=True)
    with _state(folder) as state:
        if not state.get("users"):
            state |= _start(folder)
        state["users"] = state.get("users", 0) + 1
    try:
        yield MiniStack(state["endpoint"], folder / "authority.pem")
    finally:
        with _state(folder) as state:
            state["users"] -= 1
            if state["users"] == 0:
                _stop(state["pid"])


@pytest.fixture
def aws_account(ministack: MiniStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A fresh account, whose root this process is."""
    account = new_account()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in ministack.environment(account).items():
        monkeypatch.setenv(name, value)
    yield account
    stop_polling(ministack, account)


def client_of(ministack: MiniStack, account: str, service: str) -> Any:
    """Return a client of ``service`` for the root of any account."""
    return boto3.client(
        service,
        endpoint_url=ministack.endpoint,
        region_name=REGION,
        aws_access_key_id=account,
        aws_secret_access_key="test",
        verify=str(ministack.authority),
    )


def stop_polling(ministack: MiniStack, account: str) -> None:
    """Remove the triggers that a test has left: MiniStack would poll for them until its end."""
    functions = client_of(ministack, account, "lambda")
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.delete_event_source_mapping(UUID=mapping["UUID"])


@contextmanager
def _state(folder: Path) -> Iterator[dict]:
    """Give what the workers share, under a lock, and keep what the block made of it."""
    with (folder / "state.json").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        state = json.loads(file.read() or "{}")
        yield state
        _rewrite(file, state)


def _rewrite(file: IO[str], state: dict) -> None:
    file.seek(0)
    file.truncate()
    file.write(json.dumps(state))
    file.flush()


def _start(folder: Path) -> dict:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "certificate.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    for name in ("state", "objects", "temporary"):
        (folder / name).mkdir(exist_ok=True)
    for _ in range(_TRIES):  # somebody else may take a free port before it does
        port = _free_port()
        child = _launched(folder, port)
        if _is_healthy(child, port, folder):
            _children[child.pid] = child
            return {"endpoint": f"https://127.0.0.1:{port}", "pid": child.pid}
        if child.poll() is None:
            child.kill()
            break
    raise RuntimeError(f"MiniStack did not start:\n{(folder / 'log').read_text()[-2000:]}")


def _launched(folder: Path, port: int) -> subprocess.Popen:
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            env=_environment(folder, port),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _environment(folder: Path, port: int) -> dict[str, str]:
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "HOME": str(folder),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "USE_SSL": "1",
        "MINISTACK_SSL_CERT": str(folder / "certificate.pem"),
        "MINISTACK_SSL_KEY": str(folder / "key.pem"),
        "AWS_CA_BUNDLE": str(folder / "authority.pem"),
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "objects"),
        "TMPDIR": str(folder / "temporary"),
        "LAMBDA_EXECUTOR": "local",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _is_healthy(child: subprocess.Popen, port: int, folder: Path) -> bool:
    """Wait until it answers; return whether it does before it ends, or its time is over."""
    trust = ssl.create_default_context(cafile=folder / "authority.pem")
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        try:
            with urllib.request.urlopen(
                f"https://127.0.0.1:{port}/_ministack/health", context=trust, timeout=5
            ):
                return True
        except OSError:  # not there yet, or slow, or somebody else
            time.sleep(0.1)
    return False


def _stop(pid: int) -> None:
    """End the server and the functions that it runs; there is no state to save."""
    os.killpg(pid, signal.SIGKILL)
    if pid in _children:  # else it is the child of another worker, which has ended
        _children.pop(pid).wait()

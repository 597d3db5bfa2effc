"""Runs of stockctl in forks of a process that has it loaded, handled as any other child process."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from support.cli import fork_server
from support.cli.fork_server import Task

_READ_AT_START = ("PYTHON", "LANG", "LC_")
"""Beginnings of the names of what an interpreter reads when it starts, and never again."""


class Forks:
    """The process that forks: it starts when it is needed, and ends with this one, however that ends.

    Args:
        environment: what it starts with.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._control, self._theirs = socket.socketpair()
        self._process: subprocess.Popen[bytes] | None = None

    def serves(self, environment: Mapping[str, str]) -> bool:
        """Tell whether an interpreter that starts in ``environment`` would be no other than a fork."""
        folders = fork_server.added_folders(environment, self._environment)
        return (
            hasattr(os, "pidfd_open")
            and _start_of(environment) == _start_of(self._environment)
            and not any((Path(folder) / "stockctl").exists() for folder in folders)
        )

    def fork(self, task: Task, standard: list[int]) -> tuple[int, Connection]:
        """Run a task on the standard descriptors; return its process id, and what tells its exit code."""
        if self._process is None:
            self._process = self._start()
        ours, theirs = Pipe()
        with theirs:
            socket.send_fds(self._control, [b"."], [*standard, theirs.fileno()])
        ours.send(tuple(task))
        return ours.recv()["pid"], ours

    def close(self) -> None:
        """End the process, and what it still runs."""
        self._control.close()
        if self._process is None:
            self._theirs.close()
        else:
            self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._theirs as theirs:
            return subprocess.Popen(
                [sys.executable, fork_server.__file__, str(theirs.fileno())],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )


def _start_of(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(_READ_AT_START) and name != "PYTHONPATH"
    }


class ForkedCommand(subprocess.Popen):
    """A run of stockctl: a child like any other, only that another process forks, and waits for it.

    Args:
        forks: where it comes from.
        task: what it is.
        options: what ``Popen`` does with the standard descriptors.
    """

    def __init__(self, forks: Forks, task: Task, **options: object) -> None:
        self._forks = forks
        self._task = task
        super().__init__(["stockctl", *task.arguments], **options)

    def _execute_child(
        self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell,
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, *others,
    ) -> None:  # fmt: skip
        given = enumerate((p2cread, c2pwrite, errwrite))
        try:
            self.pid, self._channel = self._forks.fork(
                self._task, [number if descriptor == -1 else descriptor for number, descriptor in given]
            )
            self._child_created = True
        finally:
            self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)

    def _internal_poll(self, _deadstate: int | None = None) -> int | None:
        with self._waitpid_lock:
            if self.returncode is None and self._channel.poll():
                self.returncode = self._channel.recv()["code"]
        return self.returncode

    def _wait(self, timeout: float | None) -> int | None:
        if self.returncode is None and not self._channel.poll(timeout):
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self._internal_poll()

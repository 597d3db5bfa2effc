"""The command line, loaded once: a program that becomes ``python -m stockctl`` in a fork for each run.

    fork_server.py DESCRIPTOR

Starting Python and loading what every command needs takes longer than most commands do. DESCRIPTOR is that
of a Unix socket, over which come four descriptors for each run: the three standard ones, and a connection on
which the fork is told what to run. On it the fork says its process id once it is ready, and this program the
exit code in the end. When the socket is closed at its other side, this program ends what still runs, and
itself.

A fork is a process of its own, and has of its own all that a new interpreter looks at: folder, environment,
descriptors, standard streams, signals, arguments and path. Its end is that of an interpreter.
"""

import atexit
import gc
import os
import runpy
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import NamedTuple, TextIO

LOADED = (
    "pydantic.type_adapter",
    "rich.table",
    "sqlglot.dialects.duckdb",
    "stockctl.backends.aws.backend",
    "stockctl.cli.app",
    "stockctl.cli.commands.aws",
    "stockctl.cli.commands.config",
    "stockctl.cli.commands.demo",
    "stockctl.cli.commands.lifecycle",
    "stockctl.cli.commands.query",
    "stockctl.cli.commands.alerts",
    "stockctl.cli.commands.status",
    "stockctl.cli.commands.stream",
    "stockctl.cli.main",
    "stockctl.cli.run.monitor",
    "stockctl.config.loading",
    "stockctl.backends.local.backend",
    "stockctl.backends.local.warehouse",
    "stockctl.producer",
    "stockctl.sources.registry",
    "stockctl.sources.replay",
    "stockctl.backends.factory",
)
"""What most runs need. None of it starts a thread, which a fork would lack."""


class Task(NamedTuple):
    """What to run, and where."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path


class Fork(NamedTuple):
    """What a fork gets: its standard descriptors, and the connection on which it is told its task."""

    standard: list[int]
    channel: Connection

    def close(self) -> None:
        """Close the descriptors, which are the fork's now."""
        for descriptor in self.standard:
            os.close(descriptor)


class Server:
    """Forks for each run that is asked for on ``control``."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._running: dict[int, tuple[int, Connection]] = {}
        """Process ids and their connections, by the descriptor that tells of the end."""

    def serve(self) -> Fork | None:
        """Return in each fork what it got, and nothing once nobody asks any more."""
        while True:
            ready = wait([self._control, *self._running])
            for ended in self._running.keys() & ready:
                self._tell_end(ended)
            if self._control not in ready:
                continue
            if (asked := self._asked()) is None:
                self._end_all()
                return None
            if (pid := os.fork()) == 0:
                self._forget()
                return asked
            asked.close()
            self._running[os.pidfd_open(pid)] = pid, asked.channel

    def _asked(self) -> Fork | None:
        _, descriptors, _, _ = socket.recv_fds(self._control, 1, 4)
        if not descriptors:
            return None
        *standard, channel = descriptors
        return Fork(standard, Connection(channel))

    def _tell_end(self, ended: int) -> None:
        pid, channel = self._running.pop(ended)
        os.close(ended)
        _, status = os.waitpid(pid, 0)
        with channel, suppress(BrokenPipeError):
            channel.send({"code": os.waitstatus_to_exitcode(status)})

    def _end_all(self) -> None:
        for pid, _ in self._running.values():
            os.kill(pid, signal.SIGKILL)

    def _forget(self) -> None:
        """Close what is not for a fork."""
        self._control.close()
        for ended, (_, channel) in self._running.items():
            os.close(ended)
            channel.close()


def become(fork: Fork) -> None:
    """Make of this process what a new interpreter would be, and say that it is ready."""
    task = Task(*fork.channel.recv())
    for number, descriptor in enumerate(fork.standard):
        os.dup2(descriptor, number)
    fork.close()
    os.chdir(task.folder)
    sys.path[1:1] = added_folders(task.environment, os.environ)
    os.environ.clear()
    os.environ.update(task.environment)
    time.tzset()
    sys.argv[1:] = task.arguments
    sys.path[0] = str(task.folder)
    sys.stdin = sys.__stdin__ = _opened(0, "r", sys.stdin)
    sys.stdout = sys.__stdout__ = _opened(1, "w", sys.stdout)
    sys.stderr = sys.__stderr__ = _opened(2, "w", sys.stderr, buffering=1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with fork.channel:
        fork.channel.send({"pid": os.getpid()})


def added_folders(environment: Mapping[str, str], base: Mapping[str, str]) -> list[str]:
    """Return the folders of ``PYTHONPATH`` that are not in that of ``base``."""
    ours, known = (each.get("PYTHONPATH", "").split(os.pathsep) for each in (environment, base))
    return [folder for folder in ours if folder and folder not in known]


def _opened(descriptor: int, mode: str, like: TextIO, buffering: int = -1) -> TextIO:
    stream = open(  # noqa: SIM115 - it stays open
        descriptor, mode, buffering, encoding=like.encoding, errors=like.errors, newline="\n", closefd=False
    )
    stream.buffer.raw.name = like.name
    return stream


def _end(code: object) -> None:
    """End as the interpreter does, but for taking apart all that is loaded, which costs more than most runs.

    What is out of the ordinary is left to the interpreter: other threads, a code that is a text, an output
    that nobody takes.
    """
    if threading.active_count() == 1 and isinstance(code, int | None):
        atexit._run_exitfuncs()
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code or 0)


def main(descriptor: int) -> None:
    """Load what is shared, serve, and run the command line in each fork."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Ctrl-C the tests end, and their end is ours
    for module in LOADED:
        import_module(module)
    gc.freeze()
    if fork := Server(socket.socket(fileno=descriptor)).serve():
        become(fork)
        try:
            runpy.run_module("stockctl", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            _end(end.code)
            raise


if __name__ == "__main__":
    main(int(sys.argv[1]))

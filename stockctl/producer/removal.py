"""Removing an outbox with all that lies beside it, while nobody uses it."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from stockctl.producer.faults import OutboxError, explained
from stockctl.producer.lock import ProcessLock, holder
from stockctl.producer.looking import contents
from stockctl.producer.outbox import LOCK_SUFFIX

_BESIDE = {
    ".prices": "the last prices of its producer",
    ".prices-journal": "the last prices of its producer",
    ".state.json": "figures of its producer",
    "-wal": "part of the outbox",
    "-shm": "part of the outbox",
    "-journal": "part of the outbox",
    "": "what waits for its delivery",
    LOCK_SUFFIX: "its lock",
}
"""What an outbox consists of, by what follows its name, in the order to remove it."""


class Idle(NamedTuple):
    """An outbox that nobody uses."""

    path: Path
    waiting: int
    """How many quotes wait in it."""
    files: Sequence[tuple[Path, str]]
    """What it consists of, each with what that is, in the order to remove it."""

    def remove(self) -> None:
        """Remove it, and what waits in it.

        Raises:
            OutboxError: a file cannot be removed.
        """
        with explained(self.path):
            for file, _ in self.files:
                file.unlink(missing_ok=True)


@contextmanager
def idle(path: Path) -> Iterator[Idle | None]:
    """Give the outbox at ``path`` and keep producers from it meanwhile; None when there is nothing of it.

    Raises:
        OutboxError: a producer uses it; or it is damaged, not ours, or newer.
    """
    if not _files(path):
        yield None
        return
    lock = path.with_name(path.name + LOCK_SUFFIX)
    if (used_by := holder(lock, path)) is not None:
        raise OutboxError(
            f"The outbox {path} is in use by {f'process {used_by}' if used_by else 'another process'}.",
            "Stop that stream, then run the command again. Nothing was removed.",
        )
    held = ProcessLock(lock, path)
    try:
        found = contents(path)
        yield Idle(path, found.quotes if found else 0, _files(path))
    finally:
        held.release()


def _files(path: Path) -> list[tuple[Path, str]]:
    with explained(path):
        if not path.parent.is_dir():
            return []
        partial = re.compile(re.escape(f".{path.name}.state.json.") + r"[0-9]+\.partial")
        begun = [
            (file, _BESIDE[".state.json"]) for file in path.parent.iterdir() if partial.fullmatch(file.name)
        ]
        named = [(path.with_name(path.name + ending), what) for ending, what in _BESIDE.items()]
        return [(file, what) for file, what in [*begun, *named] if file.is_file() and not file.is_symlink()]

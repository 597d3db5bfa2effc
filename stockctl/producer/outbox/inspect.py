"""An outbox seen from another process: a summary, and its removal."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from stockctl.producer.outbox.drops import DroppedRange, read_drops
from stockctl.producer.outbox.errors import OutboxError, translate_errors
from stockctl.producer.outbox.lock import ProcessLock, lock_holder
from stockctl.producer.outbox.queue import LOCK_SUFFIX
from stockctl.producer.outbox.store import open_read_only, read_content

_SHOWN = 5


class OutboxSummary(NamedTuple):
    """What an outbox holds."""

    quotes: int
    """How many wait."""
    rejections: int
    """How many records wait that a source could not read."""
    size: int
    """In bytes."""
    oldest: datetime | None
    """When the oldest of what waits was taken from its source."""
    gaps: tuple[DroppedRange, ...]
    """What was dropped, oldest first."""


def outbox_summary(path: Path) -> OutboxSummary | None:
    """Return what the outbox at ``path`` holds; None where there is none.

    Raises:
        OutboxError: it is damaged, not ours, or newer.
    """
    if not path.exists():
        return None
    with open_read_only(path) as connection:
        found, gaps = read_content(connection), read_drops(connection)
    oldest = None if found.oldest is None else datetime.fromtimestamp(found.oldest, UTC)
    return OutboxSummary(found.quotes, found.rejections, found.size, oldest, tuple(gaps))


def outbox_facts(path: Path) -> list[tuple[str, str | int]]:
    """Return the same as named facts, in the order to show them; nothing where there is no outbox.

    Raises:
        OutboxError: it is damaged, not ours, or newer.
    """
    found = outbox_summary(path)
    if found is None:
        return []
    since = "" if found.oldest is None else f", the oldest since {found.oldest:%Y-%m-%d %H:%M:%S} UTC"
    shown: list[tuple[str, str | int]] = [
        ("outbox", str(path)),
        ("waiting", f"{_waiting(found)}{since}" if found.quotes or found.rejections else 0),
    ]
    if found.gaps:
        earlier = f"; {len(found.gaps) - _SHOWN} gaps before" if len(found.gaps) > _SHOWN else ""
        shown.append(("dropped", "; ".join(map(str, reversed(found.gaps[-_SHOWN:]))) + earlier))
    return shown


def _waiting(found: OutboxSummary) -> str:
    unreadable = f" and {found.rejections:,} unreadable records" if found.rejections else ""
    return f"{found.quotes:,} quotes{unreadable}"


_COMPANION_SUFFIXES = {
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


class UnusedOutbox(NamedTuple):
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
        with translate_errors(self.path):
            for file, _ in self.files:
                file.unlink(missing_ok=True)


@contextmanager
def unused_outbox(path: Path) -> Iterator[UnusedOutbox | None]:
    """Give the outbox at ``path`` and keep producers from it meanwhile; None when there is nothing of it.

    Raises:
        OutboxError: a producer uses it; or it is damaged, not ours, or newer.
    """
    if not _files(path):
        yield None
        return
    lock = path.with_name(path.name + LOCK_SUFFIX)
    if (used_by := lock_holder(lock, path)) is not None:
        raise OutboxError(
            f"The outbox {path} is in use by {f'process {used_by}' if used_by else 'another process'}.",
            "Stop that stream, then run the command again. Nothing was removed.",
        )
    held = ProcessLock(lock, path)
    try:
        found = outbox_summary(path)
        yield UnusedOutbox(path, found.quotes if found else 0, _files(path))
    finally:
        held.release()


def _files(path: Path) -> list[tuple[Path, str]]:
    with translate_errors(path):
        if not path.parent.is_dir():
            return []
        partial = re.compile(re.escape(f".{path.name}.state.json.") + r"[0-9]+\.partial")
        begun = [
            (file, _COMPANION_SUFFIXES[".state.json"])
            for file in path.parent.iterdir()
            if partial.fullmatch(file.name)
        ]
        named = [(path.with_name(path.name + ending), what) for ending, what in _COMPANION_SUFFIXES.items()]
        return [(file, what) for file, what in [*begun, *named] if file.is_file() and not file.is_symlink()]

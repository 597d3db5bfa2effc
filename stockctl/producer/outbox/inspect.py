"""Reads and removes an outbox from another process."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from stockctl.producer.outbox.drops import DroppedRange, read_drops
from stockctl.producer.outbox.errors import OutboxError, translate_errors
from stockctl.producer.outbox.lock import ProcessLock, lock_holder
from stockctl.producer.outbox.paths import FILES, LOCK, STATUS, beside
from stockctl.producer.outbox.store import open_read_only, read_content

_SHOWN_RANGES = 5


class OutboxSummary(NamedTuple):
    """What is in an outbox."""

    quotes: int
    rejections: int
    """Records that the source could not read."""
    size: int
    """In bytes."""
    oldest: datetime | None
    """When the oldest item was taken from its source."""
    dropped: tuple[DroppedRange, ...]
    """What was dropped, oldest first."""


def outbox_summary(path: Path) -> OutboxSummary | None:
    """Return a summary of the outbox at ``path``; None if there is none.

    Raises:
        OutboxError: it is damaged, it is not an outbox, or a newer stockctl created it.
    """
    if not path.exists():
        return None
    with open_read_only(path) as connection:
        content, dropped = read_content(connection), read_drops(connection)
    oldest = None if content.oldest is None else datetime.fromtimestamp(content.oldest, UTC)
    return OutboxSummary(content.quotes, content.rejections, content.size, oldest, tuple(dropped))


def outbox_facts(path: Path) -> list[tuple[str, str | int]]:
    """Return the summary as facts with names, in the order to show them; empty if there is no outbox.

    Raises:
        OutboxError: it is damaged, it is not an outbox, or a newer stockctl created it.
    """
    summary = outbox_summary(path)
    if summary is None:
        return []
    since = "" if summary.oldest is None else f", the oldest since {summary.oldest:%Y-%m-%d %H:%M:%S} UTC"
    facts: list[tuple[str, str | int]] = [
        ("outbox", str(path)),
        ("waiting", f"{_waiting(summary)}{since}" if summary.quotes or summary.rejections else 0),
    ]
    if ranges := summary.dropped:
        hidden = len(ranges) - _SHOWN_RANGES
        earlier = f"; {hidden} earlier gaps" if hidden > 0 else ""
        facts.append(("dropped", "; ".join(map(str, reversed(ranges[-_SHOWN_RANGES:]))) + earlier))
    return facts


def _waiting(summary: OutboxSummary) -> str:
    unreadable = f" and {summary.rejections:,} unreadable records" if summary.rejections else ""
    return f"{summary.quotes:,} quotes{unreadable}"


class UnusedOutbox(NamedTuple):
    """An outbox that no process uses."""

    path: Path
    waiting: int
    """How many quotes wait in it."""
    files: Sequence[tuple[Path, str]]
    """All its files, each with a description, in the order to remove them."""

    def remove(self) -> None:
        """Remove the outbox and everything that waits in it.

        Raises:
            OutboxError: a file cannot be removed.
        """
        with translate_errors(self.path):
            for file, _ in self.files:
                file.unlink(missing_ok=True)


@contextmanager
def unused_outbox(path: Path) -> Iterator[UnusedOutbox | None]:
    """Yield the outbox at ``path``, locked until the block ends; None if no file of it exists.

    Raises:
        OutboxError: a producer uses it, it is damaged, it is not an outbox, or a newer stockctl created it.
    """
    if not _files(path):
        yield None
        return
    lock_path = beside(path, LOCK)
    if (holder := lock_holder(lock_path, path)) is not None:
        raise OutboxError(
            f"The outbox {path} is in use by {f'process {holder}' if holder else 'another process'}.",
            "Stop that stream, then run the command again. Nothing was removed.",
        )
    lock = ProcessLock(lock_path, path)
    try:
        summary = outbox_summary(path)
        yield UnusedOutbox(path, summary.quotes if summary else 0, _files(path))
    finally:
        lock.release()


def _files(path: Path) -> list[tuple[Path, str]]:
    with translate_errors(path):
        if not path.parent.is_dir():
            return []
        partial = re.compile(re.escape(f".{beside(path, STATUS).name}.") + r"[0-9]+\.partial")
        half_written = [
            (file, FILES[STATUS]) for file in path.parent.iterdir() if partial.fullmatch(file.name)
        ]
        complete = [(beside(path, suffix), description) for suffix, description in FILES.items()]
        found = [*half_written, *complete]
        return [(file, what) for file, what in found if file.is_file() and not file.is_symlink()]

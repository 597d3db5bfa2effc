"""What an outbox holds, for a person, whether a producer uses it or not."""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from stockctl.producer.gaps import Gap, read_gaps
from stockctl.producer.outbox_file import content_of, reading

_SHOWN = 5


class Contents(NamedTuple):
    """What an outbox holds."""

    quotes: int
    """How many wait."""
    rejections: int
    """How many records wait that a source could not read."""
    size: int
    """In bytes."""
    oldest: datetime | None
    """When the oldest of what waits was taken from its source."""
    gaps: tuple[Gap, ...]
    """What was dropped, oldest first."""


def contents(path: Path) -> Contents | None:
    """Return what the outbox at ``path`` holds; None where there is none.

    Raises:
        OutboxError: it is damaged, not ours, or newer.
    """
    if not path.exists():
        return None
    with reading(path) as connection:
        found, gaps = content_of(connection), read_gaps(connection)
    oldest = None if found.oldest is None else datetime.fromtimestamp(found.oldest, UTC)
    return Contents(found.quotes, found.rejections, found.size, oldest, tuple(gaps))


def facts(path: Path) -> list[tuple[str, str | int]]:
    """Return the same as named facts, in the order to show them; nothing where there is no outbox.

    Raises:
        OutboxError: it is damaged, not ours, or newer.
    """
    found = contents(path)
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


def _waiting(found: Contents) -> str:
    unreadable = f" and {found.rejections:,} unreadable records" if found.rejections else ""
    return f"{found.quotes:,} quotes{unreadable}"

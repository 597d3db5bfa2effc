"""Where an outbox is, and the files beside it."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stockctl.config.schema import Settings

NAME = "outbox.db"

WAL, LOCK, PRICES, STATUS = "-wal", ".lock", ".prices", ".state.json"

_PART, _OF_PRODUCER = "part of the outbox", "the last prices of its producer"
FILES = {
    PRICES: _OF_PRODUCER,
    f"{PRICES}-journal": _OF_PRODUCER,
    STATUS: "the metrics of its producer",
    WAL: _PART,
    "-shm": _PART,
    "-journal": _PART,
    "": "what waits for delivery",
    LOCK: "its lock",
}
"""All files of an outbox: suffix and description, in the order in which they are removed."""


def beside(outbox: Path, suffix: str) -> Path:
    """Return the file of ``outbox`` that has ``suffix``, one of the keys of ``FILES``."""
    return outbox.with_name(outbox.name + suffix)


def outbox_path(settings: "Settings") -> Path:
    """Return the path of the outbox for ``settings``.

    With the embedded pipeline it is in the data folder. On AWS it is in the user's state folder. There
    is one outbox for each project, stream, region, profile and endpoint, so that quotes for one account are
    never delivered to another. Links are resolved, so that every name of the outbox leads to the same files
    beside it.
    """
    if settings.stream.outbox is not None:
        return settings.stream.outbox.expanduser().resolve()
    if settings.target == "local":
        return (settings.local.path.expanduser() / NAME).resolve()
    from platformdirs import user_state_path

    aws = settings.aws
    account = [part for part in (aws.region, aws.profile, aws.endpoint_url) if part]
    suffix = f"-{hashlib.sha256('|'.join(account).encode()).hexdigest()[:8]}" if account else ""
    name = f"{settings.project.label}-{settings.stream.name}{suffix}.db"
    return (user_state_path("stockctl", appauthor=False) / "outbox" / name).resolve()

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
"""All files of an outbox: what follows its name, and a description. In the order to remove them."""


def beside(outbox: Path, suffix: str) -> Path:
    """Return the file of ``outbox`` whose name has ``suffix``, one of ``FILES``."""
    return outbox.with_name(outbox.name + suffix)


def outbox_path(settings: "Settings") -> Path:
    """Return the path of the outbox for ``settings``.

    With the embedded pipeline it is in the home folder. On AWS it is in the user's state folder. There each
    project, stream and way to the account has its own, so that no quote waits for one account and is
    delivered to another. Links are followed, so that the files beside the outbox are found by whatever name
    it is called.
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

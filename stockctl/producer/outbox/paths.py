"""Where the outbox of a configuration lies."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stockctl.config.schema import Settings

NAME = "outbox.db"


def outbox_path(settings: "Settings") -> Path:
    """Return the file in which quotes wait for the place that ``settings`` name.

    Embedded it is in the home. On AWS it is in the user's state folder, one for each project, stream, and
    way to the account, so that no quote waits for one account and is delivered to another. Links are
    followed: what lies beside the outbox has to be found by whatever name it is called.
    """
    if settings.stream.outbox is not None:
        return settings.stream.outbox.expanduser().resolve()
    if settings.target == "local":
        return (settings.local.path.expanduser() / NAME).resolve()
    from platformdirs import user_state_path

    aws = settings.aws
    way = [part for part in (aws.region, aws.profile, aws.endpoint_url) if part]
    ending = f"-{hashlib.sha256('|'.join(way).encode()).hexdigest()[:8]}" if way else ""
    name = f"{settings.project.label}-{settings.stream.name}{ending}.db"
    return (user_state_path("stockctl", appauthor=False) / "outbox" / name).resolve()

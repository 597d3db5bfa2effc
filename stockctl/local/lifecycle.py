"""Making the embedded home."""

import os
from collections.abc import Sequence

from stockctl.backend import Step
from stockctl.errors import HomeError
from stockctl.local.database import Database
from stockctl.local.home import Home, check_folder, is_file, is_folder


def plan(home: Home) -> Sequence[Step]:
    """Return what provisioning would make."""
    steps = []
    if not is_file(home.database):
        steps.append(Step("create", str(home.database), "SQLite database", "stored quotes and alerts"))
    if not is_folder(home.archive):
        steps.append(Step("create", str(home.archive), "raw archive", "one JSON file a quote"))
    return steps


def provision(home: Home) -> Sequence[Step]:
    """Make what is missing; what is there stays as it is, and must be usable.

    Raises:
        HomeError: something there cannot be used, and nothing was changed; or the home cannot be made.
    """
    check(home)
    steps = plan(home)
    try:
        home.root.mkdir(parents=True, exist_ok=True)
        home.archive.mkdir(exist_ok=True)
        Database.create(home.database)
    except OSError as error:
        raise HomeError(
            f"The home {home.root} cannot be made: {error.strerror or error}.",
            "Point local.path (or STOCKCTL_LOCAL__PATH) at a folder that can be written.",
        ) from error
    Database(home.database).close()
    return steps


def check(home: Home) -> None:
    """Insist that what is there already can be used.

    Raises:
        HomeError: it cannot.
    """
    if os.path.lexists(home.database):
        Database(home.database).close()
    check_folders(home)


def check_folders(home: Home) -> None:
    """Insist that what is written is where it is looked for.

    Raises:
        HomeError: a link or a file is in its place.
    """
    check_folder(home.archive)
    check_folder(home.quarantine)

"""Creates and removes the home."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

from stockctl.backends.base import Report, Step
from stockctl.backends.local.database import DamagedError, Database, TornDownError, check_ownership
from stockctl.backends.local.home import Home, check_folder, is_file, is_folder
from stockctl.errors import HomeError


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


_PROGRESS_EVERY = 10_000


def plan_teardown(home: Home, *, keep_data: bool) -> Sequence[Step]:
    """Return what teardown would remove, counted.

    Raises:
        HomeError: the database is not ours, or newer, or nobody can tell; nothing may be removed then.
    """
    if is_file(home.database):
        with suppress(DamagedError, TornDownError):
            _our_database(home).close()
    steps = [
        Step("delete", str(path), "SQLite database", "stored quotes and alerts")
        for path in home.database_files()
    ]
    rejections = sum(1 for _ in home.quarantine_files())
    if is_folder(home.quarantine):
        steps.append(Step("delete", str(home.quarantine), "quarantine", f"{rejections:,} records"))
    if is_folder(home.archive):
        objects = sum(1 for _ in home.archive_files())
        action = "keep" if keep_data else "delete"
        steps.append(Step(action, str(home.archive), "raw archive", f"{objects:,} quotes"))
    return steps if any(step.action == "delete" for step in steps) else []


def teardown(home: Home, *, keep_data: bool, report: Report) -> Sequence[str]:
    """Remove what is ours, follow no link, and return what was left because it is not ours.

    The database goes last: interrupted, the command can be run again.

    Raises:
        HomeError: the database is not ours, or newer, or nobody can tell, and nothing was removed; or
            something cannot be removed.
    """
    if is_file(home.database):
        _stop_writers(home)
    try:
        _remove(home.quarantine_files(), report)
        _remove_folder(home.quarantine)
        if not keep_data:
            _remove(home.archive_files(), report)
            for folder in list(home.archive_folders()):
                _remove_folder(folder)
            _remove_folder(home.archive)
        for path in home.database_files():
            path.unlink(missing_ok=True)
    except OSError as error:
        raise HomeError(
            f"The home {home.root} cannot be removed: {error.strerror or error} ({error.filename}).",
            "Check the permissions and run 'stockctl teardown' again.",
        ) from error
    _remove_folder(home.root)
    return _leftovers(home, keep_data=keep_data)


def _stop_writers(home: Home) -> None:
    """Make a stream that still runs fail with a reason rather than write into files that are gone."""
    with suppress(DamagedError, TornDownError), closing(_our_database(home)) as database:
        database.mark_torn_down()


def _our_database(home: Home) -> Database:
    """Open the database; one that is ours, yet damaged or half torn down, can go as it is."""
    check_ownership(home.database)
    return Database(home.database)


def _remove(paths: Iterator[Path], report: Report) -> None:
    for count, path in enumerate(paths, 1):
        path.unlink(missing_ok=True)
        if count % _PROGRESS_EVERY == 0:
            report(f"{count:,} files removed")


def _remove_folder(folder: Path) -> None:
    if is_folder(folder) and not any(os.scandir(folder)):
        folder.rmdir()


def _leftovers(home: Home, *, keep_data: bool) -> Sequence[str]:
    if not is_folder(home.root):
        return []
    with os.scandir(home.root) as entries:
        names = sorted(entry.name for entry in entries)
    return [name for name in names if not (keep_data and name == home.archive.name)]

"""Creates and removes the data folder of the embedded pipeline."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

from stockctl.backends.base import Report, Step
from stockctl.backends.local.database import DamagedError, Database, TornDownError, check_ownership
from stockctl.backends.local.home import Home, check_folder, is_file, is_folder
from stockctl.errors import HomeError


def plan(home: Home) -> Sequence[Step]:
    """Return the steps that provisioning would take."""
    steps = []
    if not is_file(home.database):
        steps.append(Step("create", str(home.database), "SQLite database", "stored quotes and alerts"))
    if not is_folder(home.archive):
        steps.append(Step("create", str(home.archive), "raw archive", "one JSON file per quote"))
    return steps


def provision(home: Home) -> Sequence[Step]:
    """Create what is missing. Existing files and folders are not changed; they must be usable.

    Raises:
        HomeError: something that exists cannot be used, and nothing was changed; or the folder cannot be
            created.
    """
    check(home)
    steps = plan(home)
    try:
        home.root.mkdir(parents=True, exist_ok=True)
        home.archive.mkdir(exist_ok=True)
        Database.create(home.database)
    except OSError as error:
        raise HomeError(
            f"The data folder {home.root} cannot be created: {error.strerror or error}.",
            "Set local.path (or STOCKCTL_LOCAL__PATH) to a folder that can be written.",
        ) from error
    Database(home.database).close()
    return steps


def check(home: Home) -> None:
    """Check that what exists can be used.

    Raises:
        HomeError: it cannot be used.
    """
    if os.path.lexists(home.database):
        Database(home.database).close()
    check_folders(home)


def check_folders(home: Home) -> None:
    """Check that the folders of the archive and the quarantine are folders, if they exist.

    Raises:
        HomeError: one is a link or a file.
    """
    check_folder(home.archive)
    check_folder(home.quarantine)


_PROGRESS_EVERY = 10_000


def plan_teardown(home: Home, *, keep_data: bool) -> Sequence[Step]:
    """Return what teardown would remove, with counts.

    Raises:
        HomeError: stockctl did not create the database, a newer stockctl created it, or its creator cannot be
            determined.
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
    """Remove all files of stockctl, without following links; return the names of other files, which remain.

    The database is removed last, so that an interrupted teardown can be run again.

    Raises:
        HomeError: stockctl did not create the database, a newer stockctl created it, or its creator cannot be
            determined; nothing was removed. Or something cannot be removed.
    """
    if is_file(home.database):
        _stop_writers(home)
    try:
        _remove(home.quarantine_files(), report)
        _remove_empty_folder(home.quarantine)
        if not keep_data:
            _remove(home.archive_files(), report)
            for folder in list(home.archive_folders()):
                _remove_empty_folder(folder)
            _remove_empty_folder(home.archive)
        for path in home.database_files():
            path.unlink(missing_ok=True)
    except OSError as error:
        raise HomeError(
            f"The data folder {home.root} cannot be removed: {error.strerror or error} ({error.filename}).",
            "Check the permissions and run 'stockctl teardown' again.",
        ) from error
    _remove_empty_folder(home.root)
    return _leftovers(home, keep_data=keep_data)


def _stop_writers(home: Home) -> None:
    """Make a running stream fail with a clear error instead of writing into removed files."""
    with suppress(DamagedError, TornDownError), closing(_our_database(home)) as database:
        database.mark_torn_down()


def _our_database(home: Home) -> Database:
    """Open the database after a check that stockctl created it."""
    check_ownership(home.database)
    return Database(home.database)


def _remove(paths: Iterator[Path], report: Report) -> None:
    for count, path in enumerate(paths, 1):
        path.unlink(missing_ok=True)
        if count % _PROGRESS_EVERY == 0:
            report(f"{count:,} files removed")


def _remove_empty_folder(folder: Path) -> None:
    if is_folder(folder) and not any(os.scandir(folder)):
        folder.rmdir()


def _leftovers(home: Home, *, keep_data: bool) -> Sequence[str]:
    if not is_folder(home.root):
        return []
    with os.scandir(home.root) as entries:
        names = sorted(entry.name for entry in entries)
    return [name for name in names if not (keep_data and name == home.archive.name)]

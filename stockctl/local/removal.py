"""Removing the embedded home, and nothing that is not ours."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

from stockctl.backend import Report, Step
from stockctl.errors import HomeError
from stockctl.local.database import DamagedError, Database, TornDownError
from stockctl.local.home import Home, is_file, is_folder
from stockctl.local.ownership import check_ours

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
    return _left(home, keep_data=keep_data)


def _stop_writers(home: Home) -> None:
    """Make a stream that still runs fail with a reason rather than write into files that are gone."""
    with suppress(DamagedError, TornDownError), closing(_our_database(home)) as database:
        database.mark_torn_down()


def _our_database(home: Home) -> Database:
    """Open the database; one that is ours, yet damaged or half torn down, can go as it is."""
    check_ours(home.database)
    return Database(home.database)


def _remove(paths: Iterator[Path], report: Report) -> None:
    for count, path in enumerate(paths, 1):
        path.unlink(missing_ok=True)
        if count % _PROGRESS_EVERY == 0:
            report(f"{count:,} files removed")


def _remove_folder(folder: Path) -> None:
    if is_folder(folder) and not any(os.scandir(folder)):
        folder.rmdir()


def _left(home: Home, *, keep_data: bool) -> Sequence[str]:
    if not is_folder(home.root):
        return []
    with os.scandir(home.root) as entries:
        names = sorted(entry.name for entry in entries)
    return [name for name in names if not (keep_data and name == home.archive.name)]

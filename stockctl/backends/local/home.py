"""The data folder of the embedded pipeline: its paths, and which files in it belong to stockctl."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from stockctl.errors import HomeError
from stockctl.market.symbol import SYMBOL

_DATABASE = "stockctl.db"
_OBJECT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}-[0-9]{2}-[0-9]{2}\.[0-9]{3}Z\.json")
_REJECTION = re.compile(r"[0-9a-f]{64}\.json")
_PARTIAL = re.compile(r"\.[0-9]+\.partial(-wal|-shm|-journal)?")


class Home:
    """Paths in the data folder.

    ::

        <root>/stockctl.db                           quotes, alerts (SQLite, WAL)
        <root>/raw-data/<symbol>/<timestamp>.json    the raw archive, one file per quote
        <root>/quarantine/<sha256>.json              records that are not valid
        <root>/outbox.db                             quotes that wait for delivery (SQLite, WAL)
        <root>/outbox.db.prices                      the last prices of its producer (SQLite)
        <root>/outbox.db.state.json                  the metrics of its producer
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.database = root / _DATABASE
        self.archive = root / "raw-data"
        self.quarantine = root / "quarantine"

    def database_files(self) -> list[Path]:
        """Return the existing files of the database, the main one last; none if that one is missing."""
        partial = list(_own_files(self.root, _PARTIAL))
        if not is_file(self.database):
            return partial
        names = (_DATABASE + suffix for suffix in ("-wal", "-shm", "-journal", ""))
        return [*partial, *filter(is_file, map(self.root.joinpath, names))]

    def archive_files(self) -> Iterator[Path]:
        """Yield the raw objects."""
        for folder in self.archive_folders():
            yield from _own_files(folder, _OBJECT)

    def archive_folders(self) -> Iterator[Path]:
        """Yield the folders of the archive, one per symbol."""
        if is_folder(self.archive):
            with os.scandir(self.archive) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False) and SYMBOL.fullmatch(entry.name):
                        yield Path(entry.path)

    def quarantine_files(self) -> Iterator[Path]:
        """Yield the quarantined records."""
        yield from _own_files(self.quarantine, _REJECTION)

    def rejections(self) -> int:
        """Return how many records are in quarantine."""
        return sum(1 for _ in _own_files(self.quarantine, _REJECTION))


def is_file(path: Path) -> bool:
    """Return whether ``path`` is a regular file, and not a link."""
    return stat.S_ISREG(_mode(path))


def is_folder(path: Path) -> bool:
    """Return whether ``path`` is a folder, and not a link."""
    return stat.S_ISDIR(_mode(path))


def check_replaceable(path: Path) -> str:
    """Return what is at ``path`` instead of a file or folder of stockctl; empty if nothing is."""
    mode = _mode(path)
    if stat.S_ISLNK(mode):
        return "a link, which is never followed"
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a file" if mode else ""


def check_folder(path: Path) -> None:
    """Check that ``path`` is a folder, or does not exist yet.

    Raises:
        HomeError: it is a file or a link. Files that are written through a link would never be read.
    """
    if not is_folder(path) and (found := check_replaceable(path)):
        raise HomeError(
            f"{path} is {found}, where stockctl keeps a folder.",
            "Move it away, or set local.path to another folder, and run the command again. "
            "To keep the quotes on another disk, put the whole data folder there.",
        )


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise HomeError(
            f"{path} cannot be read: {error.strerror or error}.",
            "Check local.path and the permissions of its folders.",
        ) from error


def _own_files(folder: Path, names: re.Pattern[str]) -> Iterator[Path]:
    if not is_folder(folder):
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if names.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                yield Path(entry.path)

"""The embedded home: which files it holds and which of them are ours."""

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
    """Paths in the home folder.

    ::

        <root>/stockctl.db                           quotes, alerts (SQLite, WAL)
        <root>/raw-data/<symbol>/<timestamp>.json    the raw archive, one quote a file
        <root>/quarantine/<sha256>.json              records that could not be read
        <root>/outbox.db                             quotes that wait for their delivery (SQLite, WAL)
        <root>/outbox.db.prices                      the last prices that its producer took (SQLite)
        <root>/outbox.db.state.json                  the figures of the producer that uses it
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.database = root / _DATABASE
        self.archive = root / "raw-data"
        self.quarantine = root / "quarantine"

    def database_files(self) -> list[Path]:
        """Return the files of the database by their names, the main one last; none without that one."""
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
        """Yield the folders of the archive, one a symbol."""
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
    """Tell whether ``path`` is a regular file, and no link to one."""
    return stat.S_ISREG(_mode(path))


def is_folder(path: Path) -> bool:
    """Tell whether ``path`` is a folder, and no link to one."""
    return stat.S_ISDIR(_mode(path))


def check_replaceable(path: Path) -> str:
    """Tell what is at ``path`` in the place of a file or a folder of ours; empty when nothing is."""
    mode = _mode(path)
    if stat.S_ISLNK(mode):
        return "a link, which is never followed"
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a file" if mode else ""


def check_folder(path: Path) -> None:
    """Insist that ``path`` is a folder of its own, or nothing yet.

    Raises:
        HomeError: a file is there, or a link: what is written through one is never read back.
    """
    if not is_folder(path) and (found := check_replaceable(path)):
        raise HomeError(
            f"{path} is {found}, where stockctl keeps a folder.",
            "Move it away, or point local.path at another home, and run the command again. "
            "To have the quotes on another disk, put the whole home there.",
        )


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise HomeError(
            f"{path} cannot be looked at: {error.strerror or error}.",
            "Check local.path and the permissions of its folders.",
        ) from error


def _own_files(folder: Path, names: re.Pattern[str]) -> Iterator[Path]:
    if not is_folder(folder):
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if names.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                yield Path(entry.path)

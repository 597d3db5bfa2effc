"""Whose database a file is, read from its first bytes, so that SQLite does nothing to that of another."""

from pathlib import Path

from stockctl.errors import HomeError
from stockctl.local.database import APPLICATION_ID

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_APPLICATION_ID = slice(68, 72)
"""Where the header has it, by SQLite's file format; it is written at the making, and never again."""


def check_ours(path: Path) -> None:
    """Insist that stockctl made the database, whatever became of it since.

    Raises:
        HomeError: another program made it, or that cannot be told, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError as error:
        raise HomeError(
            f"{path} cannot be read: {error.strerror or error}.",
            "Check its permissions and run 'stockctl teardown' again. Nothing was removed.",
        ) from error
    if header and (len(header) < _HEADER_BYTES or not header.startswith(_MAGIC)):
        raise HomeError(
            f"{path} is damaged or is no SQLite database: nobody can tell whether stockctl made it.",
            "Remove it by hand if it is stockctl's, else move it away; then run 'stockctl teardown' again. "
            "Nothing was removed.",
        )
    if int.from_bytes(header[_APPLICATION_ID], "big") != APPLICATION_ID:
        raise HomeError(
            f"{path} is a SQLite database without the tables of stockctl.",
            "Move it away, or remove it by hand if it is stockctl's; then run 'stockctl teardown' again. "
            "Nothing was removed.",
        )

"""Rows that cannot be read, kept on disk until they are sent, so that a million of them fit in memory."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from stockctl.pipeline.ports import Rejection


class RejectionSpill:
    """A file of rejections; all are put first, then read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("w", encoding="ascii")
        self.count = 0

    def put(self, rejection: Rejection) -> None:
        """Add one."""
        # Latin-1 gives each byte a character of its own, and JSON keeps the line breaks out of the way.
        self._file.write(json.dumps([rejection.data.decode("latin-1"), rejection.origin, rejection.reason]))
        self._file.write("\n")
        self.count += 1

    def chunks(self, size: int) -> Iterator[list[Rejection]]:
        """Yield all, in the order they came, at most ``size`` at once."""
        self.close()
        with self._path.open(encoding="ascii") as lines:
            while chunk := [_read(line) for line in islice(lines, size)]:
                yield chunk

    def close(self) -> None:
        """End the writing."""
        self._file.close()


def _read(line: str) -> Rejection:
    data, origin, reason = json.loads(line)
    return Rejection(data.encode("latin-1"), origin, reason)

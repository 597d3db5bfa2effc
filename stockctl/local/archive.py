"""The raw archive as files, in the layout of the S3 one."""

import os
from collections.abc import Sequence
from pathlib import Path

from stockctl.local.files import write_once
from stockctl.local.home import Home, check_folder
from stockctl.market.timestamp import object_name
from stockctl.pipeline.ports import RawObject


class FileArchive:
    """``raw-data/{symbol}/{timestamp}.json``, one quote a file, never overwritten."""

    def __init__(self, home: Home) -> None:
        self._root = os.fspath(home.archive)
        self._known: set[str] = set()

    def put(self, objects: Sequence[RawObject]) -> None:
        """Write the objects that are not there yet."""
        for symbol, timestamp, body in objects:
            write_once(f"{self._folder(symbol)}/{object_name(timestamp)}.json", body)

    def _folder(self, symbol: str) -> str:
        folder = f"{self._root}/{symbol}"
        if symbol not in self._known:
            check_folder(Path(folder))
            os.makedirs(folder, exist_ok=True)
            self._known.add(symbol)
        return folder

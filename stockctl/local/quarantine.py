"""Records that could not be read, as files."""

import os
from collections.abc import Sequence

from stockctl.local.files import write_once
from stockctl.local.home import Home
from stockctl.pipeline.ports import Rejection


class FileQuarantine:
    """``quarantine/{key}.json``: one record a file."""

    def __init__(self, home: Home) -> None:
        self._folder = os.fspath(home.quarantine)

    def put(self, rejections: Sequence[Rejection]) -> None:
        """Keep the rejections that are not there yet."""
        os.makedirs(self._folder, exist_ok=True)
        for rejection in rejections:
            write_once(f"{self._folder}/{rejection.key}.json", rejection.document)

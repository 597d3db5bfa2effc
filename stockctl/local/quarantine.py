"""Records that could not be read, as files."""

import os
from collections.abc import Sequence

from stockctl.local.files import OnceWriter
from stockctl.local.home import Home
from stockctl.pipeline.ports import Rejection


class FileQuarantine:
    """``quarantine/{key}.json``: one record a file."""

    def __init__(self, home: Home) -> None:
        self._folder = os.fspath(home.quarantine)
        self._writer = OnceWriter(home.quarantine)

    def put(self, rejections: Sequence[Rejection]) -> None:
        """Keep the rejections that are not there yet."""
        os.makedirs(self._folder, exist_ok=True)
        for rejection in rejections:
            self._writer.write(f"{self._folder}/{rejection.key}.json", rejection.document)

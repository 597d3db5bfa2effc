"""Runs one command and writes the functions of stockctl that it calls, as JSON, to standard error.

Started by ``structure.py``, with the package to measure on the import path: ``stream`` streams the quotes on
standard input, ``load`` loads ``stockctl.toml``.
"""

import importlib
import json
import os
import sys
import threading
from types import FrameType

called: set[tuple[str, str]] = set()
"""Module and qualified name of each function."""


def note(frame: FrameType, event: str, _: object) -> None:
    """Note a function that is called."""
    module = frame.f_globals.get("__name__", "")
    if event == "call" and module.startswith("stockctl.") and frame.f_code.co_name != "<module>":
        called.add((module, frame.f_code.co_qualname))


def stream() -> None:
    """Stream what is on standard input."""
    run = importlib.import_module("stockctl.cli.main").run
    sys.argv = ["stockctl", "stream", "--source", "ndjson", "--file", "-", "--quiet"]
    threading.setprofile(note)
    sys.setprofile(note)
    run()


def load() -> None:
    """Load the configuration."""
    try:
        loading = importlib.import_module("stockctl.config.loading")
    except ModuleNotFoundError:  # an older layout
        loading = importlib.import_module("stockctl.config_loading")
    sys.setprofile(note)
    loading.load(None, os.environ)


if __name__ == "__main__":
    try:
        {"stream": stream, "load": load}[sys.argv[1]]()
    finally:
        sys.setprofile(None)
        print(json.dumps(sorted(called)), file=sys.stderr)

"""An environment for the suite that is the same on every machine."""

import atexit
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

_KEPT = {
    "PATH", "TMPDIR", "TEMP", "TMP", "USER", "LOGNAME", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "CI", "REFRESH_DOCS", "STOCKCTL_EXAMPLES",
}  # fmt: skip
_KEPT_PREFIXES = ("PYTEST_", "HYPOTHESIS_", "COV_", "COVERAGE_")
_SET = {"LANG": "C.UTF-8", "TZ": "UTC", "TERM": "xterm-256color"}


def isolate() -> None:
    """Keep of the caller's environment only what finds programs or controls the test run.

    The settings of the person who runs the tests (``STOCKCTL_*``, ``AWS_*``, ``XDG_*``, proxies, colors,
    time zone, language, files in the home directory) reach neither the tests nor their child processes.
    """
    kept = {
        name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)
    }
    own = {**_SET, "HOME": _home()}
    if folders := _folders_with_stockctl(os.environ.get("PYTHONPATH", "")):
        own["PYTHONPATH"] = folders
    os.environ.clear()
    os.environ.update(kept | own)
    time.tzset()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell script
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _home() -> str:
    """Return an empty home directory. The workers of a parallel run share the one of their parent."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return os.environ["HOME"]
    home = tempfile.mkdtemp(prefix="stockctl-tests-home-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home


def _folders_with_stockctl(path: str) -> str:
    """Return the folders of a search path that hold the package: child processes must test the same one."""
    folders = [folder for folder in path.split(os.pathsep) if folder and (Path(folder) / "stockctl").is_dir()]
    return os.pathsep.join(folders)

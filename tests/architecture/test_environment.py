"""The suite does not depend on the environment of the person who runs it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import REPOSITORY

SENSITIVE = (
    "tests/backends/aws/test_aws_client.py",
    "tests/cli/commands/test_cli_yahoo.py::test_one_poll_stores_what_yahoo_says",
    "tests/cli/output/test_cli_tables.py::test_a_narrow_terminal_gets_what_matters_most[command0-100-headers0]",
    "tests/market/test_timestamps.py",
    "tests/monitoring/test_logfmt.py",
)
"""Tests of settings, times, widths and colors, and tests whose child processes inherit the environment."""


def hostile(folder: Path) -> dict[str, str]:
    """Return an environment in which each variable would change what stockctl, or a library, does."""
    home = folder / "home"
    for name, text in {
        "home/.aws/config": "[default]\nregion = nowhere\nendpoint_url = http://127.0.0.1:9\n",
        "home/.config/stockctl/config.toml": "unknown = true\n",
        "path/sitecustomize.py": "print('noise')\n",
    }.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "STOCKCTL_LOCAL__PATH": str(folder / "somewhere"),
        "STOCKCTL_CONFIG": str(folder / "missing.toml"),
        "STOCKCTL_TARGET": "aws",
        "STOCKCTL_SYMBOLS": "not a symbol",
        "STOCKCTL_AWS__ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_PROFILE": "nobody",
        "AWS_DEFAULT_REGION": "nowhere",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_CA_BUNDLE": str(folder / "missing.pem"),
        "AWS_RETRY_MODE": "legacy",
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": "/dev/null",
        "XDG_STATE_HOME": "/dev/null",
        "XDG_CACHE_HOME": "/dev/null",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "SSL_CERT_FILE": str(folder / "missing.pem"),
        "NO_COLOR": "1",
        "FORCE_COLOR": "1",
        "COLUMNS": "20",
        "LINES": "3",
        "TERM": "dumb",
        "TZ": "Pacific/Kiritimati",
        "LANG": "tr_TR.ISO-8859-9",
        "LC_ALL": "C",
        "LANGUAGE": "tr",
        "PYTHONPATH": str(folder / "path"),
        "PYTHONWARNINGS": "always",
        "PYTHONDEVMODE": "1",
        "PYTHONIOENCODING": "utf-16",
        "PYTHONUTF8": "0",
        "PYTHONHASHSEED": "1",
        "PYTHONPROFILEIMPORTTIME": "1",
    }


@pytest.mark.slow
def test_a_hostile_environment_changes_no_result(tmp_path: Path) -> None:
    """Settings, credentials, proxies, colors, widths, zones and languages of a person are kept out."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "1", "-p", "no:cacheprovider", *SENSITIVE],
        cwd=REPOSITORY,
        env=hostile(tmp_path),
        capture_output=True,
        timeout=600,
        check=False,
    )
    out = run.stdout.decode("utf-16", "replace")
    assert run.returncode == 0, out
    assert re.search(r"^\d+ passed in", out, re.MULTILINE), out
    assert not (tmp_path / "somewhere").exists()


def test_nothing_of_the_caller_is_left() -> None:
    """What tests and their child processes see is the same everywhere."""
    names = {name for name in os.environ if not name.startswith(("PYTEST_", "HYPOTHESIS_", "COV"))}
    assert names <= {
        "PATH", "HOME", "LANG", "TZ", "TERM", "TMPDIR", "TEMP", "TMP", "USER", "LOGNAME", "VIRTUAL_ENV", "CI",
        "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "STOCKCTL_EXAMPLES", "PYTHONPATH", "LC_CTYPE",
    }  # fmt: skip
    assert (os.environ["TZ"], os.environ["LANG"]) == ("UTC", "C.UTF-8")
    assert Path(os.environ["HOME"]).name.startswith("stockctl-tests-home-")

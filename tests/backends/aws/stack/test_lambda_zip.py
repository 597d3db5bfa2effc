"""The zip of the Lambda functions: reproducible, complete, small."""

import hashlib
import json
import os
import subprocess
import sys
import time
import zipfile
from functools import cache
from importlib import metadata
from io import BytesIO
from pathlib import Path

import pytest

from stockctl.backends.aws.stack import lambda_code
from stockctl.backends.aws.stack.lambda_code import HANDLERS, MAX_BYTES, Bundle, build, modules_of
from stockctl.errors import AwsError

MAX_OWN_BYTES = 105_000
"""Maximum source bytes of stockctl in the zip (about 35 modules); a larger zip starts more slowly."""

# What Lambda's own Python runtime has.
_RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "urllib3", "python-dateutil", "six")

_IMPORT = """
import importlib, json, sys, zoneinfo
zoneinfo.reset_tzpath([])
for name in {handlers}:
    importlib.import_module(name)
print(json.dumps({{"modules": sorted(sys.modules),
    "zone": str(zoneinfo.ZoneInfo("America/New_York")),
    "files": sorted({{str(getattr(module, "__file__", None)) for module in list(sys.modules.values())}})}}))
"""


@cache
def built() -> Bundle:
    """Return the bundle, built once."""
    return build()


def names() -> list[str]:
    """Return the names of the files in the zip."""
    return zipfile.ZipFile(BytesIO(built().data)).namelist()


def link_runtime(folder: Path) -> None:
    """Link what Lambda's runtime has into ``folder``, and nothing else of this environment."""
    folder.mkdir()
    for distribution in _RUNTIME:
        for file in metadata.distribution(distribution).files or []:
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (folder / top).exists():
                (folder / top).symlink_to(metadata.distribution(distribution).locate_file(top))


def import_alone(unpacked: Path, runtime: Path) -> dict:
    """Import the handlers in an interpreter that has the zip and the runtime, but no site-packages."""
    path = f"import sys; sys.path[:0] = {[str(unpacked), str(runtime)]!r}"
    program = path + _IMPORT.format(handlers=HANDLERS)
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "TABLE_NAME": "t",
        "ALERTS_TABLE": "a",
        "BUCKET": "b",
        "TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:t",
        "SMA_SHORT": "5",
        "SMA_LONG": "20",
        "THRESHOLD_PERCENT": "5",
        "ALERT_MAX_AGE_SECONDS": "0",
        "TTL_DAYS": "0",
        "POWERTOOLS_SERVICE_NAME": "test",
        "POWERTOOLS_METRICS_NAMESPACE": "test",
    }
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        env=environment, cwd=unpacked, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_same_sources_give_the_same_bytes() -> None:
    """Built again, at another time, the zip is the same to the byte."""
    first = built()
    time.sleep(0)  # no clock may matter
    second = build()

    assert first.data == second.data
    assert first.sha256 == second.sha256 == hashlib.sha256(first.data).hexdigest()
    assert first.key == f"functions/{first.sha256}.zip"


def test_order_of_files_times_and_modes_are_fixed() -> None:
    """Nothing of this machine is in the zip: files in order, one age, readable by all, no folders."""
    entries = zipfile.ZipFile(BytesIO(built().data)).infolist()

    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    assert {entry.create_system for entry in entries} == {3}


def test_it_is_small() -> None:
    """Far below what one would notice at a cold start."""
    assert len(built().data) < MAX_BYTES


def test_the_own_modules_stay_few_bytes() -> None:
    """A cold start reads all of them, so error messages and readers of the command line are left out."""
    own = [content for name, content in built().files if name.startswith("stockctl/")]

    assert sum(map(len, own)) < MAX_OWN_BYTES


def test_it_holds_what_the_handlers_import_and_nothing_else() -> None:
    """Of stockctl only what runs in Lambda; of others powertools, typing_extensions and the time zones."""
    tops = {name.split("/")[0] for name in names()}
    rooms = {name.split("/")[1] for name in names() if name.startswith("stockctl/")}

    assert tops == {"stockctl", "aws_lambda_powertools", "typing_extensions.py", "tzdata"}
    assert rooms == {"__init__.py", "errors.py", "retry.py", "market", "pipeline", "functions", "backends"}
    assert not [name for name in names() if name.endswith((".pyc", ".js", ".css", ".yaml", ".typed"))]
    assert "tzdata/zoneinfo/America/New_York" in names()
    assert "stockctl/backends/aws/backend.py" not in names()


def test_imported_alone_it_needs_only_boto3(tmp_path: Path) -> None:
    """Unpacked beside what Lambda has, both handlers import, and nothing heavy comes along."""
    unpacked, runtime = tmp_path / "task", tmp_path / "runtime"
    link_runtime(runtime)
    zipfile.ZipFile(BytesIO(built().data)).extractall(unpacked)

    imported = import_alone(unpacked, runtime)

    loaded = {module.split(".")[0] for module in imported["modules"]}
    assert set(HANDLERS) <= set(imported["modules"])
    assert not loaded & {"pydantic", "typer", "rich", "pandas", "duckdb", "yfinance", "sqlglot", "pyathena"}
    assert imported["zone"] == "America/New_York"
    assert [file for file in imported["files"] if "site-packages" in file] == []


def test_a_change_of_any_file_changes_the_key() -> None:
    """New code is a new key, so that CloudFormation sees it."""
    changed = Bundle((*built().files, ("stockctl/extra.py", b"")))

    assert changed.key != built().key


def test_modules_are_found_through_all_forms_of_import() -> None:
    """Packages around a module come along, and a module that only the command line uses does not."""
    modules = modules_of(*HANDLERS)

    assert {
        "stockctl",
        "stockctl.backends.aws",
        "stockctl.market.indicators",
        "stockctl.pipeline.ports",
    } <= modules
    assert (
        not {
            "stockctl.config.schema",
            "stockctl.backends.aws.stack.cloudformation",
            "stockctl.cli",
            "stockctl.backends.aws.connection",
            "stockctl.backends.aws.dynamodb.readers",
            "stockctl.backends.aws.error_messages",
            "stockctl.backends.aws.kinesis.kpl_encoder",
            "stockctl.backends.base",
        }
        & modules
    )


def test_a_missing_distribution_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the missing distribution, and how to install it."""
    monkeypatch.setitem(lambda_code._DISTRIBUTIONS, "no-such-distribution", "x/")

    with pytest.raises(
        AwsError, match="no-such-distribution, which the Lambda functions need, is not installed"
    ):
        build()

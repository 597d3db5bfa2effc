"""The systemd unit and the container file: what they run is what there is."""

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stockctl.monitoring.status_file import HEALTH_PERIOD
from support.cli.command import Command
from support.paths import REPOSITORY

UNIT = REPOSITORY / "deploy" / "stockctl.service"
DOCKERFILE = REPOSITORY / "deploy" / "Dockerfile"
DOCKER_STOPS_AFTER = 10.0


def unit() -> configparser.SectionProxy:
    """Return the section of the service; of a repeated key the last value."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read(UNIT)
    return parser["Service"]


def instructions() -> dict[str, str]:
    """Return the last of each instruction of the container file."""
    text = re.sub(r"\\\n", " ", DOCKERFILE.read_text())
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        if name.isupper():
            found[name] = rest.strip()
    return found


def unit_arguments() -> list[str]:
    """Return what the unit calls stockctl with."""
    return shlex.split(unit()["ExecStart"])[1:]


def container_arguments() -> list[str]:
    """Return what the container calls stockctl with."""
    assert json.loads(instructions()["ENTRYPOINT"]) == ["stockctl"]
    return json.loads(instructions()["CMD"])


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [unit_arguments(), container_arguments()], ids=["unit", "container"])
def test_the_command_is_one_that_runs(stockctl: Command, arguments: list[str]):
    """With a source that needs no network, and a health file of the test's own."""
    place = arguments.index("--health-file") + 1
    assert Path(arguments[place]).is_absolute()
    arguments[place] = str(stockctl.folder / "health.json")
    done = stockctl.run(*arguments, "--source", "simulate", "--limit", "20")
    assert done.returncode == 0, done.stderr
    assert "20 quotes sent, 20 stored" in done.stderr
    assert done.stdout == ""


def test_a_stop_leaves_time_for_the_flush():
    """Both supervisors kill later than the grace is over."""
    grace = float(unit_arguments()[unit_arguments().index("--grace") + 1])
    assert float(unit()["TimeoutStopSec"]) >= grace + 15
    grace = float(container_arguments()[container_arguments().index("--grace") + 1])
    assert grace <= DOCKER_STOPS_AFTER - 2
    assert instructions()["STOPSIGNAL"] == unit()["KillSignal"] == "SIGTERM"


def test_a_supervisor_waits_for_several_signs_of_life():
    """One that is missed restarts nothing."""
    assert float(unit()["WatchdogSec"]) >= 3 * HEALTH_PERIOD
    assert unit()["Type"] == "notify"


def test_the_health_check_looks_at_the_file_that_is_written(tmp_path: Path):
    """Young is healthy; old or absent is not. The command is run as it stands, with another path."""
    check = re.search(r"CMD (\[.*\])", instructions()["HEALTHCHECK"])
    assert check is not None
    shell, option, script = json.loads(check[1])
    path = container_arguments()[container_arguments().index("--health-file") + 1]
    assert path in script
    file = tmp_path / "health.json"
    command = [shell, option, script.replace(path, str(file))]

    def healthy() -> bool:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    assert not healthy()
    file.write_text("{}")
    assert healthy()
    subprocess.run(["touch", "-d", "2 minutes ago", file], check=True)
    assert not healthy()


def test_the_container_gets_what_the_package_is_made_of():
    """Nothing but what is named goes to the builder, and that is there."""
    named = [
        line for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if not line.startswith("#")
    ]
    assert named[0] == "*"
    kept = {line[1:] for line in named if line.startswith("!")}
    assert kept == {"pyproject.toml", "README.md", "LICENSE", "stockctl"}
    assert all((REPOSITORY / name).exists() for name in kept)
    assert instructions()["USER"] == "stockctl"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_understands_the_unit(tmp_path: Path):
    """Without a word of complaint, once the program is where it says."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/stockctl/bin/stockctl", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

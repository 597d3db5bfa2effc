"""demo: the main job, complete, with nothing set up."""

import shlex

import pytest

from support.cli.command import Command

pytestmark = pytest.mark.slow


def test_the_demo_runs_the_whole_pipeline_and_leaves_nothing(stockctl: Command) -> None:
    """It provisions, replays, alerts, ranks, and removes its home."""
    temporary = stockctl.folder / "tmp"
    temporary.mkdir()
    done = stockctl.run("demo", extra={"TMPDIR": str(temporary)})
    assert done.returncode == 0, done.stderr
    assert "756 quotes sent, 756 stored" in done.stderr
    assert (
        "MSFT 23.23, down 6.7 % on the day: SMA-5 25.44 crossed below SMA-20 25.93 (sell signal)"
        in done.stdout
    )
    for heading in ("Top movers", "The 5 largest of", "Latest crossings"):
        assert heading in done.stdout
    assert "stockctl stream --symbols AAPL,MSFT" in done.stderr
    assert list(temporary.iterdir()) == []
    assert not stockctl.home.exists()


def test_the_demo_keeps_its_home_on_request(stockctl: Command) -> None:
    """The commands that --keep prints work on the home that it leaves, whatever is configured."""
    (stockctl.folder / "stockctl.toml").write_text('target = "aws"\n[aws]\nprofile = "nobody"\n')
    temporary = stockctl.folder / "a place"
    temporary.mkdir()
    said = stockctl.run("demo", "--keep", extra={"TMPDIR": str(temporary)}).stderr
    (home,) = temporary.iterdir()
    lines = [shlex.split(line) for line in said.split("Commands to explore it:\n")[1].splitlines()]
    shown = {}
    for line in lines:
        program = line.index("stockctl")
        settings, arguments = line[:program], line[program + 1 :]
        extra = dict(setting.split("=", 1) for setting in settings)
        shown[" ".join(arguments)] = stockctl.ok(*arguments, stdin="stockctl\n", extra=extra)
    assert "quotes:        756" in shown["status"]
    assert "MSFT" in shown["query history MSFT"]
    assert "teardown" in shown
    assert not home.exists()

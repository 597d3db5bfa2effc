"""demo: the main job, complete, with nothing set up."""

from command import Command


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
    for heading in ("Top movers", "Largest of", "Last signals"):
        assert heading in done.stdout
    assert "stockctl stream --symbols AAPL,MSFT" in done.stderr
    assert list(temporary.iterdir()) == []
    assert not stockctl.home.exists()


def test_the_demo_keeps_its_home_on_request(stockctl: Command) -> None:
    """--keep prints commands that work on the home that it leaves."""
    temporary = stockctl.folder / "tmp"
    temporary.mkdir()
    stockctl.ok("demo", "--keep", extra={"TMPDIR": str(temporary)})
    (home,) = temporary.iterdir()
    status = stockctl.ok("status", extra={"STOCKCTL_LOCAL__PATH": str(home)})
    assert "quotes:        756" in status

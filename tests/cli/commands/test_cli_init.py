"""init: what it asks, what flags say instead, and that what it writes can be used."""

import tomllib
from typing import Any

import pytest

from stockctl.config.schema import Settings
from support.cli.command import Command
from support.cli.pseudo_terminal import answered

# No files of a person, no region, nobody to ask for credentials.
NO_AWS = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}


def written(stockctl: Command) -> dict[str, Any]:
    """Return what is set in the file that was written, empty sections left out; it loads."""
    stockctl.ok("config", "show")
    values = tomllib.loads((stockctl.folder / "stockctl.toml").read_text())
    return {name: value for name, value in values.items() if value != {}}


def test_enter_takes_what_is_suggested(stockctl: Command) -> None:
    """Four questions; without a region of boto3's own it is the one that the prices are of."""
    done = answered(stockctl, ["", "", "", ""], "init", "--target", "aws", extra=NO_AWS)

    assert done.returncode == 0, done.stderr
    usual = Settings().symbols
    assert written(stockctl) == {"target": "aws", "symbols": usual, "aws": {"region": "us-east-1"}}
    for question in ("AWS region [us-east-1]: ", f"Symbols to stream [{','.join(usual)}]: ", "[none]: "):
        assert question in done.stderr
    assert done.stdout == ""


def test_the_region_of_the_environment_is_suggested(stockctl: Command) -> None:
    """What boto3's own chain has is what Enter takes."""
    extra = {**NO_AWS, "AWS_DEFAULT_REGION": "eu-north-1"}

    assert answered(stockctl, ["", "", "", ""], "init", "--target", "aws", extra=extra).returncode == 0

    assert written(stockctl)["aws"] == {"region": "eu-north-1"}


def test_a_wrong_answer_is_asked_for_again_at_once(stockctl: Command) -> None:
    """Each wrong answer is told its reason, and the right one that follows counts."""
    answers = [
        "eu-wset-1", "eu-west-1", "Desk One", "desk", "m$ft", "aapl, msft", "me", "me@example.com",
    ]  # fmt: skip

    done = answered(stockctl, answers, "init", "--target", "aws", extra=NO_AWS)

    assert written(stockctl) == {
        "target": "aws",
        "symbols": ["AAPL", "MSFT"],
        "project": {"name": "desk"},
        "alerts": {"subscriptions": [{"protocol": "email", "endpoint": "me@example.com"}]},
        "aws": {"region": "eu-west-1"},
    }
    assert "'eu-wset-1' is not an AWS region, such as eu-west-1" in done.stderr
    assert "'Desk One' cannot be used: it must be 1 to 10 lowercase" in done.stderr
    assert "symbol 'm$ft' is not 1 to 20 letters" in done.stderr
    assert "'me' is not an e-mail address. Example:" in done.stderr
    assert [done.stderr.count(f"[{default}]: ") for default in ("us-east-1", "none")] == [2, 4]


def test_what_a_flag_has_said_is_not_asked(stockctl: Command) -> None:
    """Two flags, two questions."""
    flags = ("--region", "eu-west-1", "--email", "me@example.com")

    done = answered(stockctl, ["desk", "f"], "--target", "aws", "init", *flags, extra=NO_AWS)

    assert done.returncode == 0, done.stderr
    assert "Region" not in done.stderr
    assert "E-mail" not in done.stderr
    found = written(stockctl)
    assert (found["project"], found["symbols"]) == ({"name": "desk"}, ["F"])


def test_who_gives_no_answer_gets_no_file(stockctl: Command) -> None:
    """The end of the input in the middle of the questions is wrong usage, with a way out."""
    done = answered(stockctl, ["eu-west-1"], "init", "--target", "aws", extra=NO_AWS)

    assert done.returncode == 2
    assert "Nothing was written" in done.stderr
    assert "--yes" in done.stderr
    assert not (stockctl.folder / "stockctl.toml").exists()


def test_a_file_that_is_there_is_no_reason_to_ask(stockctl: Command) -> None:
    """It is refused before the first question."""
    (stockctl.folder / "stockctl.toml").write_text("")

    done = answered(stockctl, [], "init", "--target", "aws", extra=NO_AWS)

    assert done.returncode == 2
    assert "already exists" in done.stderr
    assert "Region" not in done.stderr


@pytest.mark.parametrize("arguments", [("--target", "local"), ("--target", "aws", "--yes"), ()])
def test_a_terminal_alone_is_no_reason_to_ask(stockctl: Command, arguments: tuple[str, ...]) -> None:
    """Only the target aws asks, and --yes asks nothing; no answer is waited for."""
    done = answered(stockctl, [], "init", *arguments, extra=NO_AWS)

    assert done.returncode == 0, done.stderr
    assert written(stockctl) == ({"target": arguments[1]} if arguments else {})


def test_without_a_terminal_flags_say_it_all(stockctl: Command) -> None:
    """Every question has its flag; nothing is read from standard input."""
    flags = (
        "--region",
        "cn-north-1",
        "--project",
        "desk",
        "--symbols",
        "tsla,f",
        "--email",
        'a"b@example.com',
    )

    stockctl.ok("init", "--target", "aws", *flags, stdin="not\nasked\n")

    assert written(stockctl) == {
        "target": "aws",
        "symbols": ["TSLA", "F"],
        "project": {"name": "desk"},
        "alerts": {"subscriptions": [{"protocol": "email", "endpoint": 'a"b@example.com'}]},
        "aws": {"region": "cn-north-1"},
    }


def test_without_a_terminal_and_flags_the_defaults_are_written(stockctl: Command) -> None:
    """The region stays boto3's own."""
    stockctl.ok("init", "--target", "aws")

    assert written(stockctl) == {"target": "aws"}


@pytest.mark.parametrize(
    ("flag", "text", "told"),
    [
        ("--region", "eu-wset-1", "--region: 'eu-wset-1' is not an AWS region, such as eu-west-1"),
        ("--region", "", "--region: '' is not an AWS region"),
        ("--project", "9to5", "--project: '9to5' cannot be used"),
        ("--project", "much-too-long", "cannot be used"),
        ("--symbols", "m$ft", "--symbols: symbol 'm$ft'"),
        ("--symbols", ",", "--symbols: ',' names no symbol"),
        ("--email", "me", "--email: 'me' is not an e-mail address"),
        ("--target", "gcp", "gcp"),
    ],
)
def test_a_wrong_flag_is_refused_and_nothing_written(
    stockctl: Command, flag: str, text: str, told: str
) -> None:
    """Exit 2, the flag and the value named."""
    assert told in stockctl.refused("init", flag, text, code=2)
    assert not (stockctl.folder / "stockctl.toml").exists()


def test_a_wrong_target_before_the_command_is_refused(stockctl: Command) -> None:
    """The global option is checked like the command's own."""
    assert "--target = 'gcp' cannot be used: it must be local or aws" in stockctl.refused(
        "--target", "gcp", "init", code=2
    )
    assert not (stockctl.folder / "stockctl.toml").exists()


def test_a_file_that_cannot_be_written_is_told_with_a_way_out(stockctl: Command) -> None:
    """Its folder is not there."""
    message = stockctl.refused("-c", "absent/stockctl.toml", "init", code=2)
    assert "absent/stockctl.toml cannot be written: No such file or directory." in message
    assert "stockctl -c PATH init" in message

"""The help pages of all commands: their options, examples and width."""

import re
import shlex

import pytest
import typer
from typer.core import TyperArgument, TyperGroup, TyperOption

from stockctl.cli.app import ENTRIES, root_command
from stockctl.cli.help import WIDTH, AnyCommand, help_page
from stockctl.cli.registration import Group
from stockctl.config.schema import Settings
from support.cli.command import Command
from support.cli.pseudo_terminal import seen


def all_commands() -> dict[tuple[str, ...], AnyCommand]:
    """Return every command and group, by the words that name it."""
    root = root_command()
    found: dict[tuple[str, ...], AnyCommand] = {(): root}
    for name in root.commands:
        found[(name,)] = command = root.load(name)
        if isinstance(command, TyperGroup):
            found |= {(name, inner): each for inner, each in command.commands.items()}
    return found


COMMANDS = all_commands()
EACH = pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(("stockctl", *words)))


def page(words: tuple[str, ...], width: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the lines of a help page on a terminal of ``width``."""
    monkeypatch.setenv("COLUMNS", str(width))
    context = typer.Context(COMMANDS[words], info_name=" ".join(("stockctl", *words)))
    return help_page(COMMANDS[words], context).splitlines()


@pytest.mark.parametrize(
    ("arguments", "option", "told"),
    [
        ((), "--config", "[default: $STOCKCTL_CONFIG or ./stockctl.toml]"),
        (("stream",), "--timezone", "[default: America/New_York]"),
        (("stream",), "--when-closed", f"[default: {Settings().source.when_closed}, or as configured]"),
        (("stream",), "--interval", f"[default: {Settings().source.interval:g}, or as configured]"),
        (("stream",), "--interval", "(yahoo, yahoo-live)"),
        (("stream",), "--file", "(ndjson)"),
        (("stream",), "--limit", "[default: 0]"),
        (("query", "latest"), "--limit", "[default: 20]"),
    ],
)
def test_defaults_and_sources_are_told(
    stockctl: Command, arguments: tuple[str, ...], option: str, told: str
) -> None:
    """The description of an option has its default, and the sources that it is for."""
    shown = stockctl.ok(*arguments, "--help")
    (entry,) = re.findall(rf"^  (?:-\w, )?{option} (.*(?:\n {{8,}}.*)*)", shown, re.MULTILINE)
    assert told in " ".join(entry.split())


@EACH
def test_every_parameter_has_a_help_text_and_a_plain_name(words: tuple[str, ...]) -> None:
    """Each option that takes a value says what kind in capitals, or lists its choices."""
    command = COMMANDS[words]
    parameters = command.get_params(typer.Context(command, info_name="x"))
    assert command.help
    for parameter in parameters:
        assert isinstance(parameter, TyperOption | TyperArgument)
        assert parameter.help, parameter.name
        if not getattr(parameter, "is_flag", False):
            assert re.fullmatch(r"[A-Z]+|[a-z-]+(\|[a-z-]+)+", parameter.metavar or ""), parameter.name


@EACH
def test_every_page_has_two_examples_that_parse(words: tuple[str, ...]) -> None:
    """What is shown can be typed: the commands and options exist, and the values are of their type."""
    examples = (COMMANDS[words].epilog or "").splitlines()
    assert len(examples) == 2
    assert len(set(examples)) == 2
    for example in examples:
        program, *arguments = shlex.split(example.partition(" > ")[0])
        assert program == "stockctl"
        assert " ".join(words) in example
        _parse(root_command(), arguments)


def _parse(command: AnyCommand, arguments: list[str], parent: typer.Context | None = None) -> None:
    with command.make_context(command.name, arguments, parent=parent) as context:
        if isinstance(command, Group):
            _, inner, rest = command.resolve_command(context, [*context._protected_args, *context.args])
            assert inner is not None
            _parse(inner, rest, context)


@EACH
@pytest.mark.parametrize("width", [40, 80, 100, 180])
def test_a_page_fits_the_terminal_and_is_never_wider_than_it_reads_well(
    words: tuple[str, ...], width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is longer than the terminal or the limit; nothing is cut."""
    lines = page(words, width, monkeypatch)
    assert max(map(len, lines)) <= min(width, WIDTH)
    text = "\n".join(lines)
    assert "<" not in text
    assert "…" not in text
    assert " ".join(page(words, 180, monkeypatch)).split() == [
        word for word in " ".join(lines).split() if word != "\\"
    ]


def test_the_first_page_says_of_each_command_what_its_own_page_says() -> None:
    """The list of commands is kept apart from the commands, which are loaded only when they are used."""
    assert {entry.name: entry.summary for entry in ENTRIES} == {
        words[0]: command.help for words, command in COMMANDS.items() if len(words) == 1
    }


def test_options_of_a_long_page_are_grouped() -> None:
    """A reader of stream's page finds what concerns a replay, and what concerns live quotes."""
    panels = {parameter.rich_help_panel for parameter in COMMANDS[("stream",)].params}
    assert panels - {None} == {"Input", "Replay and simulation", "Live sources", "Operation"}


def test_headings_stand_out_on_a_terminal_only(stockctl: Command) -> None:
    """No control characters go into a pipe."""
    assert "\033" not in stockctl.ok("--help")
    assert "Examples:" in "\n".join(seen(stockctl, 80, "--help"))


@pytest.mark.parametrize("words", [("query",), ("alerts",), ("config",), ()])
def test_a_group_without_a_command_shows_its_page(stockctl: Command, words: tuple[str, ...]) -> None:
    """It is wrong usage, too."""
    done = stockctl.run(*words)
    assert (done.returncode, done.stdout) == (2, stockctl.ok(*words, "--help"))


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ("strem", "stockctl has no command 'strem'.", "Did you mean stream?"),
        ("zzz", "stockctl has no command 'zzz'.", "'stockctl --help' lists the commands."),
        ("alerts lst", "stockctl alerts has no command 'lst'.", "Did you mean list?"),
        ("alerts list --limt 3", "stockctl alerts list has no option --limt.", "Did you mean --limit?"),
        ("status -Z", "stockctl status has no option -Z.", "See 'stockctl status --help'."),
        ("alerts list --limit", "--limit needs a value.", "See 'stockctl alerts list --help'."),
        ("stream --once=3", "--once takes no value.", "See 'stockctl stream --help'."),
        ("query history", "The argument SYMBOL is missing.", "See 'stockctl query history --help'."),
        ("status a b", "Unexpected argument: a b.", "See 'stockctl status --help'."),
        (
            "alerts list --limit x",
            "--limit = 'x' cannot be used: it must be a whole number.",
            "See 'stockctl alerts list --help'.",
        ),
        (
            "alerts list --limit -1",
            "--limit = '-1' cannot be used: it must be 0 or more.",
            "See 'stockctl alerts list --help'.",
        ),
        (
            "stream --metrics-port 65536",
            "--metrics-port = '65536' cannot be used: it must be 65535 or less.",
            "See 'stockctl stream --help'.",
        ),
        (
            "stream --speed nan",
            "--speed = 'nan' cannot be used: it must be 0 or more.",
            "See 'stockctl stream --help'.",
        ),
        (
            "status -o jsn",
            "--output = 'jsn' cannot be used: it must be table, json or csv.",
            "Did you mean json?",
        ),
        (
            "logs x",
            "FUNCTION = 'x' cannot be used: it must be ingest or trend.",
            "See 'stockctl logs --help'.",
        ),
        (
            "alerts subscribe email a@b.org --kind anomlay",
            "--kind = 'anomlay' cannot be used: it must be trend_up, trend_down or anomaly.",
            "Did you mean anomaly?",
        ),
    ],
)
def test_wrong_usage_looks_like_every_other_error(
    stockctl: Command, arguments: str, message: str, hint: str
) -> None:
    """Exit 2: what is wrong, and what to do; no box, no usage line, no words of a library."""
    assert stockctl.refused(*arguments.split(), code=2) == f"error: {message}\n  → {hint}\n"

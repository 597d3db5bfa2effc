"""The configuration: file, environment, flags, and every refusal."""

import tomllib
from pathlib import Path

import pytest
from command import Command

REPOSITORY = Path(__file__).resolve().parent.parent.parent

REFUSED = [
    ('symbols = ["aapl", "m$ft"]', "symbols.1 = 'm$ft' cannot be used: symbol 'm$ft' is not 1 to 20 letters"),
    ("symbols = []", "symbols = [] cannot be used"),
    ("foo = 1", "unknown key 'foo'"),
    ("[indicators]\nshrt = 4", "unknown key 'indicators.shrt'.\n  → Did you mean indicators.short?"),
    ("[indicators]\nshort = 30", "short = 30 must be below long = 20"),
    ("[indicators]\nlong = 2000", "indicators.long = 2000 cannot be used"),
    (
        "[anomaly]\nthreshold_percent = 0",
        "anomaly.threshold_percent = 0 cannot be used: it must be greater than 0",
    ),
    ('target = "gcp"', "target = 'gcp' cannot be used: it must be 'local' or 'aws'"),
    ('[alerts]\nmax_age = "1 hour"', "'1 hour' is not a span such as 30s, 10m, 2h or 3d"),
    ("[source]\ninterval = 0.1", "source.interval = 0.1 cannot be used"),
    ('[project]\nname = "Desk One"', "project.name = 'Desk One' cannot be used"),
    ('[analytics]\ntable = "x; DROP"', "analytics.table = 'x; DROP' cannot be used"),
    ('[[alerts.subscriptions]]\nprotocol = "fax"\nendpoint = "1"', "alerts.subscriptions.0.protocol = 'fax'"),
    (
        '[[alerts.subscriptions]]\nprotocol = "email"\nendpoint = "trader"',
        "alerts.subscriptions.0.endpoint = 'trader' cannot be used: 'trader' is no e-mail address. Give one",
    ),
    (
        '[[alerts.subscriptions]]\nprotocol = "https"\nendpoint = "http://example.com/a"',
        "alerts go to https only",
    ),
    ('[[alerts.subscriptions]]\nprotocol = "sms"\nendpoint = "0170123"', "no phone number in the E.164 form"),
    (
        f'[[alerts.subscriptions]]\nprotocol = "sms"\nendpoint = "+491701234567"\n'
        f"symbols = {[f'S{number}' for number in range(151)]}",
        "more combinations of symbol and kind than SNS takes (150)",
    ),
    ("[functions]\nretries = -1", "functions.retries = -1 cannot be used"),
    ("[functions]\nrecord_age_hours = 0", "functions.record_age_hours = 0 cannot be used"),
    ("[functions]\nrecord_age_hours = 169", "functions.record_age_hours = 169 cannot be used"),
    ('[functions]\nbisect = "perhaps"', "functions.bisect = 'perhaps' cannot be used"),
    ("[functions]\ntimeout_seconds = 901", "functions.timeout_seconds = 901 cannot be used"),
    ('project = "x"', "project = 'x' cannot be used"),
    ("x =", "is not TOML"),
]


@pytest.mark.parametrize(("text", "fragment"), REFUSED, ids=[fragment[:40] for _, fragment in REFUSED])
def test_a_wrong_file_is_refused_with_file_key_and_value(stockctl: Command, text: str, fragment: str) -> None:
    """Exit 2, and the message names file, key and value."""
    (stockctl.folder / "stockctl.toml").write_text(text)
    message = stockctl.refused("config", "check", code=2)
    assert "stockctl.toml" in message
    assert fragment in message


def test_an_absent_file_that_was_named_is_refused(stockctl: Command) -> None:
    """--config of nothing is no reason to fall back to defaults."""
    assert "No such file" in stockctl.refused("-c", "absent.toml", "config", "check", code=2)


@pytest.mark.parametrize(
    ("variable", "told", "hint"),
    [
        ("STOCKCTL_INDICATORS__SHRT", "unknown key 'indicators.shrt'", "$STOCKCTL_INDICATORS__SHORT?"),
        ("STOCKCTL_LOCAL_PATH", "unknown key 'local_path'", "$STOCKCTL_LOCAL__PATH?"),
        ("STOCKCTL_LOCAL", "unknown key 'local'", "$STOCKCTL_LOCAL__PATH?"),
        ("STOCKCTL_INTERVAL", "unknown key 'interval'", "$STOCKCTL_SOURCE__INTERVAL?"),
        ("STOCKCTL_target", "unknown key 'target'", "$STOCKCTL_TARGET?"),
        ("STOCKCTL__X", "unknown key '_x'", "'stockctl -c example.toml init' writes a file with every key."),
        (
            "STOCKCTL_FOO",
            "unknown key 'foo'",
            "'stockctl -c example.toml init' writes a file with every key.",
        ),
    ],
)
def test_a_variable_that_sets_nothing_is_refused_by_name(
    stockctl: Command, variable: str, told: str, hint: str
) -> None:
    """It begins like those that do; the nearest of them is named."""
    message = stockctl.refused("config", "check", code=2, extra={variable: "4"})
    assert f"${variable}: {told}" in message
    assert hint in message


def test_variables_of_others_are_none_of_ours(stockctl: Command) -> None:
    """What does not begin like ours is left alone, and so are an empty one and those of the tests."""
    extra = {"STOCKCTLX": "1", "STOCKCTL_FOO": "", "STOCKCTL_SHARED": "/x", "STOCKCTL_EXAMPLES": "1"}
    stockctl.ok("config", "check", extra=extra)


def test_flags_win_over_environment_and_environment_over_file(stockctl: Command) -> None:
    """The later source of a value wins, and 'config show' names it."""
    (stockctl.folder / "other.toml").write_text('target = "local"\n[indicators]\nshort = 3\nlong = 7\n')
    rows = stockctl.ok(
        "-c", "other.toml", "config", "show", "-o", "csv", extra={"STOCKCTL_INDICATORS__LONG": "9"}
    )
    assert "indicators.short,3,other.toml" in rows
    assert "indicators.long,9,$STOCKCTL_INDICATORS__LONG" in rows
    message = stockctl.refused("--target", "gcp", "config", "show", code=2)
    assert "command line: target = 'gcp'" in message


def test_the_environment_names_the_file(stockctl: Command) -> None:
    """$STOCKCTL_CONFIG is read where no flag names a file."""
    (stockctl.folder / "other.toml").write_text('symbols = ["tsla", "TSLA", "f"]\n')
    shown = stockctl.ok("config", "show", "-o", "csv", extra={"STOCKCTL_CONFIG": "other.toml"})
    assert 'symbols,"[""TSLA"", ""F""]",other.toml' in shown


def test_a_relative_home_is_relative_to_its_file(stockctl: Command) -> None:
    """A path in a file means the same from every folder, and an empty variable counts as absent."""
    (stockctl.folder / "desk").mkdir()
    (stockctl.folder / "desk" / "stockctl.toml").write_text('[local]\npath = "quotes"\n')
    stockctl.ok("-c", "desk/stockctl.toml", "provision", extra={"STOCKCTL_LOCAL__PATH": ""})
    assert (stockctl.folder / "desk" / "quotes" / "stockctl.db").exists()


def test_the_example_names_every_key_and_is_what_init_writes(stockctl: Command) -> None:
    """config.example.toml equals what 'init' writes, loads as it is, and loads with every line in force."""
    stockctl.ok("init")
    written = (stockctl.folder / "stockctl.toml").read_text()
    assert written == (REPOSITORY / "config.example.toml").read_text()
    stockctl.ok("config", "check")
    in_force = "\n".join(
        line[1:] if line[:1] == "#" and line[1:2] != " " else line for line in written.splitlines()
    )
    (stockctl.folder / "stockctl.toml").write_text(in_force)
    values = tomllib.loads(in_force)
    keys = {row["key"] for row in stockctl.rows("config", "show") if row["from"] != "default"}
    expected = {f"{name}.{key}" for name, value in values.items() if isinstance(value, dict) for key in value}
    assert keys == expected | {name for name, value in values.items() if not isinstance(value, dict)}
    assert len(keys) == len(stockctl.rows("config", "show"))


def test_init_sets_what_was_asked_and_never_writes_over_a_file(stockctl: Command) -> None:
    """--symbols lands in the file; a second init is refused."""
    stockctl.ok("init", "--symbols", "tsla,f")
    assert 'symbols = ["TSLA", "F"]\n' in (stockctl.folder / "stockctl.toml").read_text()
    assert "is there already" in stockctl.refused("init", code=2)
    stockctl.ok("init", "--force")


def test_the_file_that_a_hint_names_is_written_whatever_is_wrong(stockctl: Command) -> None:
    """A wrong configuration and a wrong environment do not hinder it."""
    (stockctl.folder / "stockctl.toml").write_text("foo = 1")
    said = stockctl.refused("config", "check", code=2)
    assert "'stockctl -c example.toml init' writes a file with every key." in said
    stockctl.ok("-c", "example.toml", "init", extra={"STOCKCTL_FOO": "1"})
    assert (stockctl.folder / "example.toml").read_text() == (REPOSITORY / "config.example.toml").read_text()

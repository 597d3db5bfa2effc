"""The configuration: file, environment, flags, and every refusal."""

import json
import re
import tomllib

import pytest

from support.cli.command import Command
from support.paths import REPOSITORY

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
    ('[alerts]\nmax_age = "1 hour"', "'1 hour' is not a duration such as 30s, 10m, 2h or 3d"),
    ("[source]\ninterval = 0.1", "source.interval = 0.1 cannot be used"),
    ('[project]\nname = "Desk One"', "project.name = 'Desk One' cannot be used"),
    ('[analytics]\ntable = "x; DROP"', "analytics.table = 'x; DROP' cannot be used"),
    ('[[alerts.subscriptions]]\nprotocol = "fax"\nendpoint = "1"', "alerts.subscriptions.0.protocol = 'fax'"),
    (
        '[[alerts.subscriptions]]\nprotocol = "email"\nendpoint = "trader"',
        "alerts.subscriptions.0.endpoint = 'trader' cannot be used: 'trader' is not an e-mail address.",
    ),
    (
        '[[alerts.subscriptions]]\nprotocol = "https"\nendpoint = "http://example.com/a"',
        "alerts go to https only",
    ),
    (
        '[[alerts.subscriptions]]\nprotocol = "sms"\nendpoint = "0170123"',
        "not a phone number in E.164",
    ),
    (
        f'[[alerts.subscriptions]]\nprotocol = "sms"\nendpoint = "+491701234567"\n'
        f"symbols = {[f'S{number}' for number in range(151)]}",
        "more combinations of symbol and kind than SNS accepts (150)",
    ),
    ("[functions]\nretries = -1", "functions.retries = -1 cannot be used"),
    ("[functions]\nrecord_age_hours = 0", "functions.record_age_hours = 0 cannot be used"),
    ("[functions]\nrecord_age_hours = 169", "functions.record_age_hours = 169 cannot be used"),
    ('[functions]\nbisect = "perhaps"', "functions.bisect = 'perhaps' cannot be used"),
    ("[functions]\ntimeout_seconds = 901", "functions.timeout_seconds = 901 cannot be used"),
    ('project = "x"', "project = 'x' cannot be used"),
    ("x =", "is not TOML"),
    ("[indicators]\nshort = true", "indicators.short = true cannot be used: it must be a whole number."),
    ('[indicators]\nshort = "5"', "indicators.short = '5' cannot be used: it must be a whole number."),
    ("[indicators]\nshort = 5.5", "indicators.short = 5.5 cannot be used: it must be a whole number."),
    ("[table]\nttl_days = true", "table.ttl_days = true cannot be used: it must be a whole number."),
    ('[source]\ninterval = "30"', "source.interval = '30' cannot be used: it must be a number."),
    ("[source]\ninterval = nan", "source.interval = NaN cannot be used: it must be"),
    ("[source]\ninterval = 1e9", "source.interval = 1E+9 cannot be used: it must be 86400 or less."),
    ('[anomaly]\nthreshold_percent = "5"', "threshold_percent = '5' cannot be used: it must be a number."),
    (
        "[anomaly]\nthreshold_percent = 0.12345678",
        "it must be a number with at most 6 digits after the point.",
    ),
    ("[functions]\nbisect = 1", "functions.bisect = 1 cannot be used: it must be true or false."),
    ('[functions]\nbisect = "yes"', "functions.bisect = 'yes' cannot be used: it must be true or false."),
    ("[aws]\nregion = 1", "aws.region = 1 cannot be used: it must be text, in quotes."),
    ("[alerts]\nmax_age = true", "alerts.max_age = true cannot be used: it must be text, in quotes."),
    ('local = "x"', "local = 'x' cannot be used: it must be a table: name = value"),
    ("[aws]\ntags = []", "aws.tags = [] cannot be used: it must be a table: name = value"),
    ('[alerts]\nsubscriptions = ["x"]', "subscriptions.0 = 'x' cannot be used: it must be a table"),
    ("[[alerts.subscriptions]]", "alerts.subscriptions.0.protocol is missing."),
    ("symbols = 5", "symbols = 5 cannot be used: it must be a list, in brackets."),
    ("symbols = []", "symbols = [] cannot be used: it must be a list that is not empty."),
    ("[local]\npath = 5", "local.path = 5 cannot be used: it must be text, in quotes."),
    ('[local]\npath = ""', "local.path = '' cannot be used: it must not be empty."),
    (
        '[local]\npath = "~nosuchuser/x"',
        "local.path = '~nosuchuser/x' cannot be used: the home folder of that user",
    ),
    ('[local]\npath = "a\\u0000b"', "a\\x00b' cannot be used: a path cannot contain a null character."),
    (
        '[stream]\noutbox = "~nosuchuser/x"',
        "stream.outbox = '~nosuchuser/x' cannot be used: the home folder of that user",
    ),
    ('[project]\nname = "Desk One"', "it must be 1 to 10 lowercase letters"),
    ('[source]\nname = "No"', "source.name = 'No' cannot be used: it must be 1 to 32 lowercase"),
    (
        '[analytics]\ntable = "9to5"',
        "it must be 1 to 63 lowercase letters, digits and underscores, not starting with a digit",
    ),
    (
        '[analytics]\ntable = "select"',
        "analytics.table = 'select' cannot be used: it is a reserved word of SQL",
    ),
    ('[analytics]\ndatabase = "from"', "analytics.database = 'from' cannot be used: it is a reserved word"),
]
OF_PYDANTIC = (
    "Input should",
    "valid dictionary",
    "instance of",
    "<class",
    "after validation",
    "pattern",
    "^[",
)


@pytest.mark.parametrize(("text", "fragment"), REFUSED, ids=[text[:60] for text, _ in REFUSED])
def test_a_wrong_file_is_refused_with_file_key_and_value(stockctl: Command, text: str, fragment: str) -> None:
    """Exit 2, and the message names file, key and value."""
    (stockctl.folder / "stockctl.toml").write_text(text)
    message = stockctl.refused("config", "check", code=2, extra={"STOCKCTL_LOCAL__PATH": ""})
    assert "stockctl.toml" in message
    assert fragment in message
    assert not any(words in message for words in OF_PYDANTIC)


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


@pytest.mark.parametrize(
    ("variable", "text", "fragment"),
    [
        (
            "STOCKCTL_INDICATORS__SHORT",
            "five",
            "indicators.short = 'five' cannot be used: it must be a whole",
        ),
        (
            "STOCKCTL_SOURCE__INTERVAL",
            "often",
            "source.interval = 'often' cannot be used: it must be a number.",
        ),
        ("STOCKCTL_FUNCTIONS__BISECT", "perhaps", "'perhaps' cannot be used: it must be true or false."),
        (
            "STOCKCTL_LOCAL__PATH",
            "~nosuchuser/x",
            "'~nosuchuser/x' cannot be used: the home folder of that user",
        ),
        ("STOCKCTL_LOCAL__PATH", " ", "local.path = ' ' cannot be used: it must not be empty."),
        ("STOCKCTL_AWS__TAGS", "a", "aws.tags = ['a'] cannot be used: it must be a table"),
    ],
)
def test_a_wrong_variable_is_refused_with_its_name_and_value(
    stockctl: Command, variable: str, text: str, fragment: str
) -> None:
    """Exit 2, in the words of a wrong file."""
    message = stockctl.refused("config", "check", code=2, extra={variable: text})
    assert f"${variable}: " in message
    assert fragment in message


def test_variables_are_text_whatever_they_set(stockctl: Command) -> None:
    """A number and a yes can be written nowhere else."""
    extra = {
        "STOCKCTL_INDICATORS__SHORT": "6",
        "STOCKCTL_SOURCE__INTERVAL": "45.5",
        "STOCKCTL_ANOMALY__THRESHOLD_PERCENT": "2.5",
        "STOCKCTL_FUNCTIONS__BISECT": "false",
        "STOCKCTL_LOCAL__PATH": "~/quotes",
        "STOCKCTL_SYMBOLS": "aapl, f",
    }
    rows = json.loads(stockctl.ok("config", "show", "-o", "json", extra=extra))
    assert {row["key"]: row["value"] for row in rows if row["from"] != "default"} == {
        "indicators.short": "6",
        "source.interval": "45.5",
        "anomaly.threshold_percent": "2.5",
        "functions.bisect": "false",
        "local.path": f'"{stockctl.folder}/quotes"',
        "symbols": '["AAPL", "F"]',
    }


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


def test_a_relative_outbox_is_relative_to_its_file(stockctl: Command) -> None:
    """From wherever a stream is started, it finds what waits; a variable is taken as it stands."""
    desk = stockctl.folder / "desk"
    desk.mkdir()
    (desk / "stockctl.toml").write_text('[stream]\noutbox = "waiting.db"\n')
    show = ("-c", "desk/stockctl.toml", "config", "show", "-o", "csv")
    assert 'stream.outbox,"""desk/waiting.db""",desk/stockctl.toml' in stockctl.ok(*show)
    told = stockctl.ok(*show, extra={"STOCKCTL_STREAM__OUTBOX": "other.db"})
    assert 'stream.outbox,"""other.db""",$STOCKCTL_STREAM__OUTBOX' in told


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
    assert "already exists" in stockctl.refused("init", code=2)
    stockctl.ok("init", "--force")


def test_the_file_that_a_hint_names_is_written_whatever_is_wrong(stockctl: Command) -> None:
    """A wrong configuration and a wrong environment do not hinder it."""
    (stockctl.folder / "stockctl.toml").write_text("foo = 1")
    said = stockctl.refused("config", "check", code=2)
    assert "'stockctl -c example.toml init' writes a file with every key." in said
    stockctl.ok("-c", "example.toml", "init", extra={"STOCKCTL_FOO": "1"})
    assert (stockctl.folder / "example.toml").read_text() == (REPOSITORY / "config.example.toml").read_text()


FAULTY = """\
symbols = ["AAPL", "m$ft"]
targt = "aws"

[indicators]
shrt = 4
short = "five"

[stream]
# a comment
outbox_full = "perhaps"
retention_hours = 9000

[[alerts.subscriptions]]
protocol = "email"
endpoint = "trader@example.com"

[[alerts.subscriptions]]
protocol = "fax"
"""


def test_all_faults_are_reported_at_once_each_with_its_line(stockctl: Command) -> None:
    """Those of the file by line, then those of variables; a hint that several share is there once."""
    (stockctl.folder / "stockctl.toml").write_text(FAULTY)
    extra = {"STOCKCTL_TABLE__TTL_DAYS": "soon", "STOCKCTL_TABLE__TTL": "1", "STOCKCTL_AWS__TAGS": "{a"}
    message = stockctl.refused("config", "check", code=2, extra=extra)
    assert re.findall(r"^error: (.*?)(?: cannot be used: .*|\.|: Expected .*)$", message, re.MULTILINE) == [
        "$STOCKCTL_TABLE__TTL_DAYS: table.ttl_days = 'soon'",
        "stockctl.toml, line 1: symbols.1 = 'm$ft'",
        "stockctl.toml, line 2: unknown key 'targt'",
        "stockctl.toml, line 5: unknown key 'indicators.shrt'",
        "stockctl.toml, line 6: indicators.short = 'five'",
        "stockctl.toml, line 10: stream.outbox_full = 'perhaps'",
        "stockctl.toml, line 11: stream.retention_hours = 9000",
        "stockctl.toml, line 17: alerts.subscriptions.1.endpoint is missing",
        "stockctl.toml, line 18: alerts.subscriptions.1.protocol = 'fax'",
        "$STOCKCTL_AWS__TAGS = '{a' is not TOML",
        "$STOCKCTL_TABLE__TTL: unknown key 'table.ttl'",
    ]
    assert message.count("Did you mean target?") == 1
    assert message.count("Did you mean indicators.short?") == 1
    assert message.count("explains what each key takes") < message.count("cannot be used")


@pytest.mark.parametrize("command", ["config show", "status", "query latest", "stream --source simulate"])
def test_every_command_reports_the_same_faults(stockctl: Command, command: str) -> None:
    """They stop before they do anything."""
    (stockctl.folder / "stockctl.toml").write_text(FAULTY)
    assert stockctl.refused(*command.split(), code=2) == stockctl.refused("config", "check", code=2)


def test_a_condition_on_several_keys_has_the_line_of_their_table(stockctl: Command) -> None:
    """Or of the first of the keys, where the table has no heading."""
    file = stockctl.folder / "stockctl.toml"
    file.write_text("# nothing\n[indicators]\nshort = 30\n")
    assert "stockctl.toml, line 2: indicators cannot be used" in stockctl.refused("status", code=2)
    file.write_text('symbols = ["A"]\nindicators.short = 30\nindicators.long = 20\n')
    assert "stockctl.toml, line 2: indicators cannot be used" in stockctl.refused("status", code=2)

"""Who may import whom: the rooms of the package, checked on the source, imports inside functions included."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import stockctl
from support.paths import TESTS

PACKAGE = Path(stockctl.__file__).parent

# A room is a module or a folder and what lies in it; the longest name that fits is a module's room.
# "stockctl" itself has the version.
CORE = {"market", "errors"}
AWS_DATA = {"backends.aws.client", "backends.aws.connection", "backends.aws.errors",
            "backends.aws.error_messages", "backends.aws.parallel", "backends.aws.s3",
            "backends.aws.sns", "backends.aws.kinesis", "backends.aws.dynamodb"}  # fmt: skip
"""The AWS data plane; it never imports config or stack, because part of it is in the functions' zip."""
MAY_IMPORT: dict[str, set[str]] = {
    "market": set(),
    "errors": set(),
    "retry": set(),
    "sqlite": {"errors"},
    "rate_limit": set(),
    "formatting": CORE,
    "pipeline": CORE,
    "sql": CORE,
    "config": CORE | {"formatting"},
    "sources.base": CORE | {"pipeline"},
    "sources.formats": CORE | {"formatting", "sources.base"},
    "sources.yahoo": CORE | {"pipeline", "sources", "sources.base", "formatting", "rate_limit", "retry"},
    "sources": CORE | {
        "pipeline", "producer.outbox.paths", "sources.base", "sources.formats", "sources.yahoo", "config",
        "formatting", "rate_limit", "retry", "sqlite",
    },
    "producer.outbox.paths": {"config"},
    "producer": CORE | {"pipeline", "producer.outbox.paths", "sources.base", "retry", "sqlite"},
    "monitoring": CORE | {"pipeline", "producer", "producer.outbox.paths", "sources.base", "formatting"},
    "backends.base": {"market", "pipeline"},
    "backends.local": CORE | {"pipeline", "backends.base", "config", "formatting", "sql", "sqlite"},
    **{
        room: CORE | {"pipeline", "rate_limit", "retry", "formatting", "stockctl"} | AWS_DATA
        for room in AWS_DATA
    },
    "backends.aws.stack": CORE | AWS_DATA | {
        "pipeline", "backends.aws.names", "backends.base", "config", "formatting", "retry", "sql",
        "stockctl",
    },
    "backends.aws": CORE | AWS_DATA | {
        "pipeline", "backends.aws.names", "backends.aws.stack", "backends.base", "config", "formatting",
        "retry", "sql",
    },
    "backends.aws.names": {"config"},
    "backends.factory": {"config", "backends.base", "backends.aws", "backends.local"},
    "functions": CORE | AWS_DATA | {"pipeline", "retry", "stockctl"},
}  # fmt: skip
# Rooms that nobody imports but those named.
ONLY_FOR = {"cli": {"__main__"}, "functions": set(), "__main__": set()}
# Third-party packages and the folders that may use them; what is not listed is for any but the pure rooms.
FOREIGN = {
    "boto3": {"backends.aws", "functions"},
    "botocore": {"backends.aws", "functions"},
    "aws_lambda_powertools": {"functions"},
    "pyathena": {"backends.aws"},
    "duckdb": {"backends.local", "sources"},
    "sqlglot": {"sql"},
    "yfinance": {"sources"},
    "pandas": {"sources"},
    "exchange_calendars": {"sources"},
    "websockets": {"sources"},
    "google": {"sources"},
    "prometheus_client": {"monitoring"},
    "typer": {"cli"},
    "rich": {"cli"},
}
PURE = ("market", "pipeline", "errors", "formatting", "rate_limit", "backends.base")
ROOMS = sorted({*MAY_IMPORT, *ONLY_FOR}, key=len, reverse=True)
OUTSIDE_WORLD = {
    "os", "io", "pathlib", "sqlite3", "socket", "subprocess", "threading", "multiprocessing", "asyncio",
    "time", "random", "logging", "tempfile", "shutil", "urllib", "http", "gzip", "csv", "sys",
    "warnings", "secrets",
}  # fmt: skip


class Import(NamedTuple):
    """One imported module and where that happens."""

    place: str
    room: str
    module: str


def imports_of(path: Path, package: str) -> Iterator[str]:
    """Yield the full names of what a file imports, with the names taken from packages."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            assert isinstance(node.args[0], ast.Constant), f"{path}: the imported module must be written out"
            yield node.args[0].value


def is_in(name: str, room: str) -> bool:
    """Return whether a dotted name below the package lies in ``room``."""
    return name == room or name.startswith(f"{room}.")


def is_in_any(name: str, rooms: set[str]) -> bool:
    """Return whether a dotted name below the package lies in one of ``rooms``."""
    return any(is_in(name, room) for room in rooms)


def room_of(module: str) -> str:
    """Return the room of a full name, ``stockctl...``."""
    name = module.partition(".")[2]
    return next((room for room in ROOMS if is_in(name, room)), "stockctl")


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    """Every import of the package."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE)
        package = ".".join(["stockctl", *place.parent.parts])
        room = room_of(f"{package}.{place.stem}")
        found += [Import(str(place), room, module) for module in imports_of(path, package)]
    assert len(found) > 100
    return found


def ours(imports: list[Import]) -> list[tuple[str, str, str]]:
    """Return where one room imports another: place, room, imported room."""
    inside = [item for item in imports if item.module.startswith("stockctl.")]
    links = [(item.place, item.room, room_of(item.module)) for item in inside]
    return [link for link in links if link[1] != link[2]]


def test_rooms_import_only_what_they_may(imports: list[Import]):
    """The domain imports nothing of ours, the stages the domain, the backends these and never each other."""
    assert [link for link in ours(imports) if link[2] not in MAY_IMPORT.get(link[1], {link[2]})] == []


def test_nothing_imports_the_command_line(imports: list[Import]):
    """The commands and the Lambda entry points are at the top: nobody builds on them."""
    wrong = [link for link in ours(imports) if link[2] in ONLY_FOR and link[1] not in ONLY_FOR[link[2]]]
    assert wrong == []


def test_rooms_form_no_circle(imports: list[Import]):
    """Rooms can be put in an order in which each imports only those before it."""
    needs: dict[str, set[str]] = {}
    for _, room, other in ours(imports):
        needs.setdefault(room, set()).add(other)
        needs.setdefault(other, set())
    while free := [room for room, others in needs.items() if not others]:
        for room in free:
            del needs[room]
        for others in needs.values():
            others.difference_update(free)
    assert needs == {}


def test_packages_of_others_stay_in_their_rooms(imports: list[Import]):
    """Each foreign package is used where it belongs, and by nothing else."""
    foreign = [(item, item.module.split(".")[0]) for item in imports]
    wrong = [
        item
        for item, name in foreign
        if name in FOREIGN and not any(is_in(item.room, room) for room in FOREIGN[name])
    ]
    assert wrong == []


def test_the_core_is_of_the_standard_library(imports: list[Import]):
    """What also runs inside a Lambda function needs nothing installed."""
    allowed = sys.stdlib_module_names | {"stockctl"}
    core = [item for item in imports if item.room in PURE]
    assert [item for item in core if item.module.split(".")[0] not in allowed] == []


def test_the_domain_touches_nothing_outside(imports: list[Import]):
    """The domain has no files, network, clock, chance or log: the same input has the same result."""
    domain = [item for item in imports if item.room == "market"]
    assert [item for item in domain if item.module.split(".")[0] in OUTSIDE_WORLD] == []


@pytest.mark.parametrize("name", ["reference_figures.py", "real_data.py"])
def test_the_reference_is_independent(name: str):
    """What the figures are compared with shares no code with the program."""
    assert [
        module for module in imports_of(TESTS / "support" / name, "") if module.startswith("stockctl")
    ] == []

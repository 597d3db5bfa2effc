"""The canned queries, one ``.sql`` file each beside this module, in Athena's SQL.

A file begins with comments: ``-- <name>: <one sentence>``, then ``-- <parameter>: <allowed values>`` for each
``?`` of the statement, in order. Each ``?`` is in a WHERE clause: Athena accepts it nowhere else.
"""

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from stockctl.errors import QueryError
from stockctl.sql.schema import TABLE

_HEADER = re.compile(r"-- ([a-z][a-z_-]*): (.+)")


class Parameter(NamedTuple):
    """A value that a canned query takes."""

    name: str
    description: str


class CannedQuery(NamedTuple):
    """A canned query; ``sql`` is in Athena's dialect, with a ``?`` for each parameter in order."""

    name: str
    description: str
    parameters: tuple[Parameter, ...]
    sql: str

    def over(self, table: str) -> str:
        """Return the statement with another table than the default one; ``table`` needs no quotes."""
        return re.sub(rf"\b{TABLE}\b", table, self.sql)


def catalog() -> list[CannedQuery]:
    """Return the canned queries, sorted by name."""
    sources = (file for file in files(__package__).iterdir() if file.name.endswith(".sql"))
    return sorted(map(_load, sources))


def canned_query(name: str) -> CannedQuery:
    """Return the canned query called ``name``.

    Raises:
        QueryError: there is no such query.
    """
    queries = {query.name: query for query in catalog()}
    if name not in queries:
        raise QueryError(f"There is no canned query {name!r}.", f"There are: {', '.join(queries)}.")
    return queries[name]


def _load(file: Traversable) -> CannedQuery:
    text = file.read_text(encoding="utf-8")
    header = [found.groups() for line in _comments(text) if (found := _HEADER.fullmatch(line))]
    (name, description), *parameters = header
    return CannedQuery(name, description, tuple(Parameter(*entry) for entry in parameters), text)


def _comments(text: str) -> list[str]:
    lines = text.splitlines()
    end = next((number for number, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return lines[:end]

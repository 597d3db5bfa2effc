"""The predefined queries, in Athena's SQL: one ``.sql`` file each, in the folder of this module.

A file starts with comments: ``-- <name>: <one sentence>``, then ``-- <parameter>: <allowed values>`` for each
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
    """A value that a predefined query takes."""

    name: str
    description: str


class PredefinedQuery(NamedTuple):
    """A predefined query; ``sql`` is in Athena's dialect, with a ``?`` for each parameter in order."""

    name: str
    description: str
    parameters: tuple[Parameter, ...]
    sql: str

    def with_table(self, table: str) -> str:
        """Return the statement with ``table``, which must need no quotes, instead of the default table."""
        return re.sub(rf"\b{TABLE}\b", table, self.sql)


def predefined_queries() -> list[PredefinedQuery]:
    """Return the predefined queries, sorted by name."""
    sources = (file for file in files(__package__).iterdir() if file.name.endswith(".sql"))
    return sorted(map(_load, sources))


def predefined_query(name: str) -> PredefinedQuery:
    """Return the predefined query called ``name``.

    Raises:
        QueryError: there is no such query.
    """
    queries = {query.name: query for query in predefined_queries()}
    if name not in queries:
        raise QueryError(f"There is no predefined query {name!r}.", f"There are: {', '.join(queries)}.")
    return queries[name]


def _load(file: Traversable) -> PredefinedQuery:
    text = file.read_text(encoding="utf-8")
    header = [found.groups() for line in _comments(text) if (found := _HEADER.fullmatch(line))]
    (name, description), *parameters = header
    return PredefinedQuery(name, description, tuple(Parameter(*entry) for entry in parameters), text)


def _comments(text: str) -> list[str]:
    lines = text.splitlines()
    end = next((number for number, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return lines[:end]

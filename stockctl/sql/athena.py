"""Renders a checked statement as Athena SQL."""

import re
import secrets
from collections.abc import Sequence
from typing import NamedTuple

from sqlglot import exp
from sqlglot.errors import ErrorLevel, UnsupportedError

from stockctl.errors import QueryError
from stockctl.sql.parser import too_deep


class Statement(NamedTuple):
    """Athena's SQL. The first ``?`` in it takes the parameter at place ``order[0]`` (from 0), and so on."""

    text: str
    order: Sequence[int]


def to_athena(expression: exp.Query) -> Statement:
    """Return Athena's SQL for a statement that ``check_query`` returned.

    Raises:
        QueryError: the statement has no form in Athena's SQL.
    """
    # Generated text need not keep the order of the placeholders, so each carries its place through it.
    marker = f"parameter_{secrets.token_hex(8)}_"
    try:
        tree = expression.copy()
        for placeholder in tree.find_all(exp.Placeholder):
            placeholder.set("this", f"{marker}{placeholder.meta['position']}")
        text = tree.sql("trino", comments=False, unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        reason = str(error).splitlines()[0]
        raise QueryError(f"Athena cannot answer this: {reason}", "Say it in another way.") from error
    except RecursionError as error:
        raise too_deep() from error
    places = re.compile(f":{marker}([0-9]+)")
    return Statement(places.sub("?", text), [int(place) - 1 for place in places.findall(text)])

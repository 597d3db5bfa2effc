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
    """SQL for Athena. Its first ``?`` gets the parameter with index ``order[0]``, and so on."""

    text: str
    order: Sequence[int]


def to_athena(expression: exp.Query) -> Statement:
    """Return SQL for Athena for a statement that ``check_query`` returned.

    Raises:
        QueryError: the statement cannot be written in Athena's SQL.
    """
    # The generated text may have the placeholders in another order: a name with its position identifies each.
    marker = f"parameter_{secrets.token_hex(8)}_"
    try:
        tree = expression.copy()
        for placeholder in tree.find_all(exp.Placeholder):
            placeholder.set("this", f"{marker}{placeholder.meta['position']}")
        text = tree.sql("trino", comments=False, unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        reason = str(error).splitlines()[0]
        raise QueryError(f"Athena cannot run this: {reason}", "Write the query in another way.") from error
    except RecursionError as error:
        raise too_deep() from error
    names = re.compile(f":{marker}([0-9]+)")
    return Statement(names.sub("?", text), [int(position) - 1 for position in names.findall(text)])

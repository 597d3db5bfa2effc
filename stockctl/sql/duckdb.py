"""Translates Athena's SQL to DuckDB's; ``macros`` defines the functions that DuckDB does not have."""

import re
from collections.abc import Callable

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ErrorLevel, SqlglotError, UnsupportedError

from stockctl.errors import QueryError
from stockctl.sql.parser import too_deep

_RENAMED = {
    "arrays_overlap": "LIST_HAS_ANY",
    "codepoint": "UNICODE",
    "every": "BOOL_AND",
    "is_finite": "ISFINITE",
    "is_infinite": "ISINF",
    "truncate": "TRUNC",
    "yow": "ISOYEAR",
}
_UNITS = frozenset({"millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"})
_PARTS = {
    **{unit: unit for unit in _UNITS - {"millisecond"}},
    "day_of_week": "isodow",
    "dow": "isodow",
    "day_of_year": "doy",
    "doy": "doy",
    "day_of_month": "day",
    "year_of_week": "isoyear",
    "yow": "isoyear",
}
_DATES = frozenset({"CurrentDate", "Date", "FromISO8601Date", "LastDay"})
_WRITE_OUT = "Write it as a literal."
_DIRECTIVE = re.compile(r"%[-#+ 0,(]*[0-9]*(?:\.[0-9]+)?([A-Za-z%])")
_REFERENCE = re.compile(r"\\(.)|\$([0-9])|\\")


def to_duckdb(expression: exp.Query) -> str:
    """Return DuckDB's SQL for a statement that ``check_query`` returned; ``?`` becomes ``$1``, ``$2``, ...

    The database must define ``macros.MACROS``. A result column without a name is called ``_col0``, ``_col1``,
    ... by its position, as in Athena.

    Raises:
        QueryError: the statement uses something that DuckDB has no equivalent for.
    """
    try:
        tree = expression.copy()
        for node in reversed(list(tree.walk(bfs=False))):
            if (replacement := _translate(node)) is not node:
                node.replace(replacement)
        _name_columns(tree)
        return tree.sql("duckdb", identify=True, comments=False, unsupported_level=ErrorLevel.RAISE)
    except UnsupportedError as error:
        raise QueryError(
            f"The embedded backend cannot run this statement: {str(error).splitlines()[0]}",
            "Write the query in another way.",
        ) from error
    except SqlglotError as error:
        raise QueryError(
            "The statement cannot be translated: a function has too few arguments or an invalid one.",
            "See Athena's reference of functions.",
        ) from error
    except RecursionError as error:
        raise too_deep() from error


def _translate(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Anonymous):
        return _NAMED[node.name.lower()](node) if node.name.lower() in _NAMED else _rename(node)
    translation = _TYPED.get(type(node).__name__)
    return node if translation is None else translation(node)


def _name_columns(tree: exp.Expr) -> None:
    while isinstance(tree, (exp.Subquery, exp.SetOperation)):
        tree = tree.this
    if not isinstance(tree, exp.Select):
        return
    for place, column in enumerate(tree.expressions):
        if column.is_star:
            return  # the positions of further columns are not known
        if not column.alias and not isinstance(column, (exp.Column, exp.Dot)):
            column.replace(exp.alias_(column.copy(), f"_col{place}", quoted=True))


def _call(name: str, *arguments: exp.Expr | None) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=[argument for argument in arguments if argument is not None])


def _rename(node: exp.Anonymous) -> exp.Expr:
    name = _RENAMED.get(node.name.lower())
    return node if name is None else _call(name, *node.expressions)


def _placeholder(node: exp.Expr) -> exp.Expr:
    return exp.Placeholder(this=str(node.meta["position"]))


def _divide(node: exp.Expr) -> exp.Expr:
    # Return NULL where Athena gives an error (whole numbers) or infinity (doubles): DuckDB's releases differ
    # here.
    divisor = node.expression
    if not _is_number_but_zero(divisor):
        node.set("expression", exp.Nullif(this=divisor.copy(), expression=exp.Literal.number(0)))
    node.set("typed", False)
    return node


def _is_number_but_zero(node: exp.Expr) -> bool:
    literal = node.find(exp.Literal) if node.is_number else None
    return literal is not None and float(literal.name) != 0


def _plus(node: exp.Expr) -> exp.Expr:
    with_date = (isinstance(node.expression, exp.Interval) and _is_date(node.this)) or (
        isinstance(node.this, exp.Interval) and _is_date(node.expression)
    )
    return exp.cast(node.copy(), exp.DataType.Type.DATE) if with_date else node


def _date_add(node: exp.Expr) -> exp.Expr:
    one = exp.Interval(this=exp.Literal.string("1"), unit=exp.var(_unit(node)))
    return _plus_interval(node.this, exp.Mul(this=exp.paren(node.expression), expression=one))


def _plus_interval(moment: exp.Expr, interval: exp.Expr) -> exp.Expr:
    total = exp.Add(this=exp.paren(moment), expression=interval)
    return exp.cast(total, exp.DataType.Type.DATE) if _is_date(moment) else exp.paren(total)


def _is_date(node: exp.Expr) -> bool:
    """Return whether the value is known to be a date; DuckDB turns some dates into timestamps."""
    inner = node.unnest()
    if isinstance(inner, exp.Anonymous):
        return inner.name.lower() == "from_iso8601_date"
    if isinstance(inner, exp.Cast):
        return inner.to.is_type(exp.DataType.Type.DATE)
    return type(inner).__name__ in _DATES


def _date_diff(node: exp.Expr) -> exp.Expr:
    # Athena counts complete units; DuckDB's date_diff counts unit boundaries, such as midnights.
    return _call("DATE_SUB", exp.Literal.string(_unit(node)), node.expression, node.this)


def _date_trunc(node: exp.Expr) -> exp.Expr:
    return exp.cast(node.copy(), exp.DataType.Type.DATE) if _is_date(node.this) else node


def _unit(node: exp.Expr) -> str:
    unit = _argument(node, "unit")
    # Check it: the generated SQL contains it without quotes.
    if not isinstance(unit, (exp.Var, exp.Literal)) or unit.name.lower() not in _UNITS:
        raise QueryError(f"The unit of {node.key} must be one of {', '.join(sorted(_UNITS))}.", _WRITE_OUT)
    return unit.name.lower()


def _extract(node: exp.Expr) -> exp.Expr:
    part = _PARTS.get(node.name.lower())
    if part is None:
        raise QueryError(f"The field of extract must be one of {', '.join(sorted(_PARTS))}.", _WRITE_OUT)
    node.set("this", exp.var(part))
    return node


def _at_time_zone(node: exp.Expr) -> exp.Expr:
    # A timestamp without a zone is in the session's zone, UTC.
    node.set("this", exp.cast(node.this, exp.DataType.Type.TIMESTAMPTZ))
    return node


def _at_timezone(node: exp.Expr) -> exp.Expr:
    moment, zone = _two(node)
    return exp.AtTimeZone(this=exp.cast(moment, exp.DataType.Type.TIMESTAMPTZ), zone=zone)


def _with_timezone(node: exp.Expr) -> exp.Expr:
    moment, zone = _two(node)
    return exp.AtTimeZone(this=exp.cast(moment, exp.DataType.Type.TIMESTAMP), zone=zone)


def _format_datetime(node: exp.Expr) -> exp.Expr:
    moment, pattern = _two(node)
    return exp.TimeToStr(this=moment, format=_java_pattern(pattern))


def _parse_datetime(node: exp.Expr) -> exp.Expr:
    parsed = exp.StrToTime(this=node.this, format=_java_pattern(_argument(node, "format")))
    return exp.cast(parsed, exp.DataType.Type.TIMESTAMPTZ)


def _java_pattern(pattern: exp.Expr) -> exp.Expr:
    formatted = Dialect.get_or_raise("hive").format_time(pattern) if pattern.is_string else None
    if formatted is None:
        raise QueryError("The pattern of a date must be a string such as 'yyyy-MM-dd'.", _WRITE_OUT)
    return formatted


def _format(node: exp.Expr) -> exp.Expr:
    arguments = list(node.expressions)
    if node.this.is_string:
        conversions = [found for found in _DIRECTIVE.findall(node.this.name) if found not in ("%", "n")]
        for place, conversion in enumerate(conversions[: len(arguments)]):
            if conversion in "sS":
                arguments[place] = exp.cast(arguments[place], exp.DataType.Type.TEXT)
    return _call("PRINTF", _call("athena_pattern", node.this), *arguments)


def _regexp_extract(node: exp.Expr) -> exp.Expr:
    # DuckDB returns an empty string, not NULL, if nothing matches.
    matches = exp.RegexpLike(this=node.this.copy(), expression=node.expression.copy())
    return exp.Case().when(matches, node.copy())


def _regexp_replace(node: exp.Expr) -> exp.Expr:
    replacement = _argument(node, "replacement")
    if not replacement.is_string:
        raise QueryError("The replacement of regexp_replace must be a string.", _WRITE_OUT)
    node.set("replacement", exp.Literal.string(_REFERENCE.sub(_reference, replacement.name)))
    return node


def _reference(found: re.Match[str]) -> str:
    escaped, group = found.groups()
    if group is not None:
        return "\\" + group
    return "\\\\" if escaped in (None, "\\") else str(escaped)


def _slice(node: exp.Expr) -> exp.Expr:
    return _call("athena_slice", node.this, _argument(node, "start"), _argument(node, "end"))


def _array_position(node: exp.Expr) -> exp.Expr:
    return _call("athena_array_position", node.this, node.expression)


def _array_union(node: exp.Expr) -> exp.Expr:
    return _call("LIST_DISTINCT", _call("LIST_CONCAT", *node.expressions))


def _any_match(node: exp.Expr) -> exp.Expr:
    return _call("LIST_BOOL_OR", _call("LIST_TRANSFORM", *node.expressions))


def _all_match(node: exp.Expr) -> exp.Expr:
    return _call("LIST_BOOL_AND", _call("LIST_TRANSFORM", *node.expressions))


def _none_match(node: exp.Expr) -> exp.Expr:
    return exp.not_(_any_match(node))


def _sequence(node: exp.Expr) -> exp.Expr:
    first, last, step = _argument(node, "start"), _argument(node, "end"), node.args.get("step")
    dates = _is_date(first)
    if step is None and dates:
        step = exp.Interval(this=exp.Literal.string("1"), unit=exp.var("DAY"))
    elif step is None:
        falling = exp.GT(this=first.copy(), expression=last.copy())
        step = exp.Case().when(falling, exp.Literal.number(-1)).else_(exp.Literal.number(1))
    series = _call("athena_sequence", first, last, step)
    return exp.cast(series, "DATE[]", dialect="duckdb") if dates else series


def _repeat(node: exp.Expr) -> exp.Expr:
    return _call("athena_repeat", node.this, _argument(node, "times"))


def _pad(node: exp.Expr) -> exp.Expr:
    node.set("expression", _call("athena_length", node.expression))
    return node


def _quantile(node: exp.Expr) -> exp.Expr:
    # Compute the exact value: it satisfies any requested accuracy, and it is deterministic.
    if node.args.get("weight") is not None:
        raise QueryError("approx_percentile with a weight is not supported here.", "Omit the weight.")
    return _call("QUANTILE_DISC", node.this, _argument(node, "quantile"))


def _millisecond(node: exp.Expr) -> exp.Expr:
    return exp.paren(
        exp.Mod(this=_call("MILLISECOND", *node.expressions), expression=exp.Literal.number(1000))
    )


def _typeof(node: exp.Expr) -> exp.Expr:
    return exp.Lower(this=node.copy())


def _argument(node: exp.Expr, name: str) -> exp.Expr:
    value = node.args.get(name)
    if not isinstance(value, exp.Expr):
        raise QueryError(
            f"The function {node.key} needs the argument '{name}'.", "See Athena's reference of functions."
        )
    return value


def _two(node: exp.Expr) -> tuple[exp.Expr, exp.Expr]:
    if len(node.expressions) != 2:
        raise QueryError(f"{node.name.lower()} needs two arguments.", "See Athena's reference of functions.")
    first, second = node.expressions
    return first, second


_Translation = Callable[[exp.Expr], exp.Expr]

_TYPED: dict[str, _Translation] = {
    "Add": _plus,
    "ApproxQuantile": _quantile,
    "ArrayPosition": _array_position,
    "ArraySlice": _slice,
    "AtTimeZone": _at_time_zone,
    "DateAdd": _date_add,
    "DateDiff": _date_diff,
    "DateTrunc": _date_trunc,
    "Div": _divide,
    "Extract": _extract,
    "Format": _format,
    "GenerateSeries": _sequence,
    "ParseDatetime": _parse_datetime,
    "Mod": _divide,
    "Pad": _pad,
    "Placeholder": _placeholder,
    "RegexpExtract": _regexp_extract,
    "RegexpReplace": _regexp_replace,
    "Repeat": _repeat,
    "Sub": _plus,
    "TimestampTrunc": _date_trunc,
    "Typeof": _typeof,
}
_NAMED: dict[str, _Translation] = {
    "all_match": _all_match,
    "any_match": _any_match,
    "array_union": _array_union,
    "at_timezone": _at_timezone,
    "format_datetime": _format_datetime,
    "millisecond": _millisecond,
    "none_match": _none_match,
    "with_timezone": _with_timezone,
}

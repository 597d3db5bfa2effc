"""Checks a statement: only listed syntax, functions and types are allowed."""

import re
from collections.abc import Iterator
from typing import NoReturn

from sqlglot import exp
from sqlglot.errors import ErrorLevel

from stockctl.sql.parser import parse_query, quote_text, refuse, too_deep
from stockctl.sql.schema import DATABASE, TABLE


def _word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


SYNTAX = _word_set("""
    Select From Where Group GroupingSets Rollup Cube Having Order Ordered Limit LimitOptions Offset Fetch
    Distinct With CTE Union Intersect Except Subquery Table TableAlias TableSample Values Join Lateral
    Window WindowSpec Filter IgnoreNulls RespectNulls WithinGroup
    Alias Column ColumnDef Identifier Star Dot Var Paren Tuple Bracket Slice Lambda Placeholder
    Literal Boolean Null Interval IntervalSpan DataType DataTypeParam
    Add Sub Mul Div Mod Neg DPipe BitwiseAnd BitwiseOr BitwiseXor BitwiseNot
    EQ NEQ GT GTE LT LTE NullSafeEQ NullSafeNEQ Is Not Between In Like Escape All Any AtTimeZone
    JSONPath JSONPathRoot JSONPathKey JSONPathSubscript
""")
"""Allowed parser classes that are not functions."""

FUNCTIONS = _word_set("""
    And Or Case If Cast TryCast Try Coalesce Nullif Greatest Least Exists Typeof Grouping
    Abs Sign Ceil Floor Round Trunc Sqrt Cbrt Pow Exp Ln Log Rand Pi IsNan WidthBucket
    Degrees Radians Sin Cos Tan Asin Acos Atan Atan2 Sinh Cosh Tanh
    BitwiseAndAgg BitwiseOrAgg
    Length Lower Upper Trim Pad Substring StrPosition Split SplitPart Concat ConcatWs Replace Reverse
    Translate StartsWith EndsWith Chr Levenshtein Format
    RegexpLike RegexpExtract RegexpExtractAll RegexpReplace RegexpSplit RegexpCount
    JSONExtract JSONExtractScalar JSONFormat ParseJSON
    CurrentDate CurrentTimestamp Localtimestamp Date DateAdd DateDiff DateTrunc TimestampTrunc Extract
    FromISO8601Date FromISO8601Timestamp TimeToStr StrToTime ParseDatetime TimeToUnix UnixToTime LastDay
    Year YearOfWeek Quarter Month WeekOfYear Day DayOfMonth DayOfWeekIso DayOfYear Hour Minute Second
    Array ArraySize ArrayContains ArrayDistinct ArrayExcept ArrayFilter ArrayIntersect ArrayMax ArrayMin
    ArrayPosition ArrayRemove ArraySlice ArraySort ArrayToString Flatten GenerateSeries Repeat
    Transform Unnest Map MapFromEntries MapKeys Struct
    Count CountIf Sum Avg Min Max ArgMin ArgMax AnyValue LogicalAnd LogicalOr ArrayAgg GroupConcat
    ApproxDistinct ApproxQuantile Stddev StddevPop StddevSamp Variance VariancePop
    Corr CovarPop CovarSamp RegrSlope RegrIntercept
    Lag Lead RowNumber Rank DenseRank PercentRank CumeDist Ntile FirstValue LastValue NthValue
""")
"""Allowed parser classes of functions, and of operators that the parser treats as functions."""

FUNCTION_NAMES = _word_set("""
    all all_match any_match array_distinct array_except array_max array_min array_position array_union
    arrays_overlap at_timezone codepoint e every format_datetime from_iso8601_date geometric_mean histogram
    infinity is_finite is_infinite json_array_length map_agg map_concat map_entries map_values millisecond
    nan none_match to_iso8601 truncate with_timezone yow
""")
"""Names of allowed functions for which the parser has no class."""

TYPES = _word_set("""
    ARRAY BIGINT BOOLEAN CHAR DATE DAY DECIMAL DOUBLE FLOAT INT INTERVAL JSON MAP REAL SMALLINT STRUCT TEXT
    TIME TIMESTAMP TIMESTAMPTZ TINYINT VARCHAR YEAR
""")
"""Allowed types of a cast."""

WORDS = _word_set("""
    year quarter month week day hour minute second millisecond
    day_of_month day_of_week dow day_of_year doy year_of_week yow
    all bernoulli system
""")
"""Words that the generator may write without quotes: units and parts of time, LIMIT ALL, sampling methods."""


_CATALOG = "awsdatacatalog"
_RELATIONS = (exp.Table, exp.Subquery, exp.Unnest, exp.Values, exp.Lateral)
_TABLE_PARTS = frozenset({"this", "db", "catalog", "alias", "joins", "sample"})
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"[0-9]*\.?[0-9]*([eE][+-]?[0-9]+)?")
_PATH_KEY = re.compile(r"[^'\"\\]*")
_SYNTAX_NAMES = {
    "Into": "SELECT ... INTO",
    "Lock": "FOR UPDATE",
    "Parameter": "A variable",
    "SessionParameter": "A session variable",
}

_Names = frozenset[str]


def check_query(sql: str, *, database: str = DATABASE, table: str = TABLE) -> exp.Query:
    """Return the tree of a statement that is exactly one query and reads only ``database.table``.

    In the tree each reference to the table is qualified and quoted, and each ``?`` has its position
    (``meta["position"]``, from 1), because a translation may change their order.

    Raises:
        QueryError: the text is not valid SQL, not exactly one statement, or not a query; or it uses another
            table, a table function, or a function or syntax that is not allowed.
    """
    tree = parse_query(sql)
    try:
        _Checker(sql, database, table).check(tree)
    except RecursionError as error:
        raise too_deep() from error
    return tree


def parameter_count(tree: exp.Query) -> int:
    """Return the number of ``?`` in the statement."""
    return len({node.meta["position"] for node in tree.find_all(exp.Placeholder)})


class _Checker:
    """Checks every node of a tree, and knows the names that ``WITH`` defines in the node's scope."""

    def __init__(self, sql: str, database: str, table: str) -> None:
        self._sql = sql
        self._database = database
        self._table = table

    def check(self, tree: exp.Expr) -> None:
        """Raise an error for anything that is not allowed, and qualify the references to the table."""
        waiting: list[tuple[exp.Expr, _Names]] = [(tree, frozenset())]
        while waiting:
            node, names = waiting.pop()
            self._check_word(node)
            _check_raw_text(node)
            self._check_relation(node)
            _check_path(node)
            if isinstance(node, exp.Table):
                self._check_table(node, names)
            elif isinstance(node, exp.Column) and node.catalog.lower() == _CATALOG:
                node.set("catalog", None)
            waiting.extend(_children(node, names))

    def _check_word(self, node: exp.Expr) -> None:
        kind = type(node).__name__
        if kind in FUNCTIONS or kind in SYNTAX:
            return
        if isinstance(node, exp.Func):
            name = self._name(node)
            if not (isinstance(node, exp.Anonymous) and name in FUNCTION_NAMES):
                refuse(
                    f"The function {name}{_where(node)} is not supported: stockctl allows only Athena "
                    "functions that give the same result on every target."
                )
        else:
            what = _SYNTAX_NAMES.get(kind) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).upper()
            refuse(f"{what}{_where(node)} is not allowed in a query.")

    def _name(self, node: exp.Func) -> str:
        start, end = node.meta.get("start"), node.meta.get("end")
        written = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
        if not isinstance(node, exp.Anonymous) and start is not None and end is not None:
            written = self._sql[start : end + 1]
        return written.lower() if _WORD.fullmatch(written) else quote_text(written)

    def _check_relation(self, node: exp.Expr) -> None:
        if isinstance(node, (exp.From, exp.Join)) and not isinstance(node.this, _RELATIONS):
            refuse(f"{quote_text(_sql(node.this))} is not allowed in FROM.", self._allowed())
        if isinstance(node, exp.Lateral) and not isinstance(node.this, (exp.Subquery, exp.Unnest)):
            self._refuse_table_function(node.this)

    def _check_table(self, node: exp.Table, names: _Names) -> None:
        if not isinstance(node.this, exp.Identifier):
            self._refuse_table_function(node.this)
        for part, value in node.args.items():
            if value and part not in _TABLE_PARTS:
                refuse(f"{part.replace('_', ' ').upper()} is not allowed on a table.", self._allowed())
        if not node.db and not node.catalog and node.name.lower() in names:
            return
        if not self._is_the_table(node):
            name = ".".join(part.name for part in node.parts)
            refuse(f"The table {quote_text(name)}{_where(node.this)} cannot be read.", self._allowed())
        node.set("this", exp.to_identifier(self._table, quoted=True))
        node.set("db", exp.to_identifier(self._database, quoted=True))
        node.set("catalog", None)

    def _is_the_table(self, node: exp.Table) -> bool:
        return (
            node.name.lower() == self._table.lower()
            and node.db.lower() in ("", self._database.lower())
            and node.catalog.lower() in ("", _CATALOG)
            and (bool(node.db) or not node.catalog)
        )

    def _refuse_table_function(self, node: exp.Expr) -> NoReturn:
        name = self._name(node) if isinstance(node, exp.Func) else quote_text(_sql(node))
        refuse(
            f"{name}{_where(node)} is not allowed in FROM: the only allowed table function is unnest.",
            self._allowed(),
        )

    def _allowed(self) -> str:
        return (
            f"Allowed in FROM: {self._table}, names that WITH defines before, subqueries, VALUES and UNNEST."
        )


def _children(node: exp.Expr, names: _Names) -> Iterator[tuple[exp.Expr, _Names]]:
    if isinstance(node, exp.With):
        seen = names
        for cte in node.expressions:
            own = seen | {cte.alias.lower()}
            yield cte, own if node.recursive else seen
            seen = own
        return
    inner = names
    for child in node.iter_expressions():
        if isinstance(child, exp.With):
            inner = names | {cte.alias.lower() for cte in child.expressions}
    for child in node.iter_expressions():
        yield child, names if isinstance(child, exp.With) else inner


def _check_raw_text(node: exp.Expr) -> None:
    """Refuse text that the generator would write without quotes, unless it is known to be harmless."""
    this = node.args.get("this")
    if isinstance(node, exp.Var):
        harmless = isinstance(this, str) and this.lower() in WORDS
    elif isinstance(node, exp.Literal):
        harmless = node.is_string or bool(_NUMBER.fullmatch(node.name))
    elif isinstance(node, exp.JSONPathKey):
        harmless = isinstance(this, str) and bool(_PATH_KEY.fullmatch(this))
    elif isinstance(node, exp.DataType):
        this = getattr(this, "name", this)
        harmless = this in TYPES and not node.args.get("kind")
    elif isinstance(node, exp.Placeholder):
        this, harmless = f":{this}", this is None
    else:
        return
    if not harmless:
        refuse(f"{quote_text(str(this))} is not allowed at this position of the statement.")


def _check_path(node: exp.Expr) -> None:
    path = node.args.get("expression")
    if isinstance(node, (exp.JSONExtract, exp.JSONExtractScalar)) and isinstance(path, exp.Literal):
        refuse(f"The JSON path {quote_text(path.name)} cannot be parsed.", "Example of a path: $.a[0].")


def _sql(node: exp.Expr | None) -> str:
    return "" if node is None else node.sql("trino", comments=False, unsupported_level=ErrorLevel.IGNORE)


def _where(node: exp.Expr) -> str:
    meta = node.meta
    if not {"line", "col", "start", "end"} <= meta.keys():
        return ""
    return f" (line {meta['line']}, column {max(1, meta['col'] - (meta['end'] - meta['start']))})"

"""The words a query may use: what Athena's SQL has, DuckDB answers alike, and reaches nothing outside.

The parser knows some functions, and makes each a class of its own (``FUNCTIONS``); the others are known
by their name alone (``FUNCTION_NAMES``). Classes are named, not imported, because releases of the parser
differ in which ones they have.
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SYNTAX = _words("""
    Select From Where Group GroupingSets Rollup Cube Having Order Ordered Limit LimitOptions Offset Fetch
    Distinct With CTE Union Intersect Except Subquery Table TableAlias TableSample Values Join Lateral
    Window WindowSpec Filter IgnoreNulls RespectNulls WithinGroup
    Alias Column ColumnDef Identifier Star Dot Var Paren Tuple Bracket Slice Lambda Placeholder
    Literal Boolean Null Interval IntervalSpan DataType DataTypeParam
    Add Sub Mul Div Mod Neg DPipe BitwiseAnd BitwiseOr BitwiseXor BitwiseNot
    EQ NEQ GT GTE LT LTE NullSafeEQ NullSafeNEQ Is Not Between In Like Escape All Any AtTimeZone
    JSONPath JSONPathRoot JSONPathKey JSONPathSubscript
""")
"""Classes of the parser that are no functions."""

FUNCTIONS = _words("""
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
"""Classes of the parser that are functions, or operators it counts among them."""

FUNCTION_NAMES = _words("""
    all all_match any_match array_distinct array_except array_max array_min array_position array_union
    arrays_overlap at_timezone codepoint e every format_datetime from_iso8601_date geometric_mean histogram
    infinity is_finite is_infinite json_array_length map_agg map_concat map_entries map_values millisecond
    nan none_match to_iso8601 truncate with_timezone yow
""")
"""Names of the functions that the parser has no class for."""

TYPES = _words("""
    ARRAY BIGINT BOOLEAN CHAR DATE DAY DECIMAL DOUBLE FLOAT INT INTERVAL JSON MAP REAL SMALLINT STRUCT TEXT
    TIME TIMESTAMP TIMESTAMPTZ TINYINT VARCHAR YEAR
""")
"""Types that a cast may name."""

WORDS = _words("""
    year quarter month week day hour minute second millisecond
    day_of_month day_of_week dow day_of_year doy year_of_week yow
    all bernoulli system
""")
"""Words that generated SQL has without quotes: units and parts of time, LIMIT ALL, ways to sample."""

"""DuckDB macros for functions of Athena that DuckDB does not have."""

MACROS = (
    """CREATE MACRO to_iso8601(x) AS CASE typeof(x)
       WHEN 'DATE' THEN strftime(CAST(x AS TIMESTAMP), '%Y-%m-%d')
       WHEN 'TIMESTAMP WITH TIME ZONE' THEN strftime(CAST(x AS TIMESTAMPTZ), '%Y-%m-%dT%H:%M:%S.%gZ')
       ELSE strftime(CAST(x AS TIMESTAMP), '%Y-%m-%dT%H:%M:%S.%g') END""",
    """CREATE MACRO athena_slice(a, first, length) AS list_slice(a, first,
       CASE WHEN first < 0 THEN len(a) + first + length ELSE first + length - 1 END)""",
    """CREATE MACRO athena_array_position(a, x) AS
       CASE WHEN a IS NOT NULL AND x IS NOT NULL THEN coalesce(list_position(a, x), 0) END""",
    """CREATE MACRO width_bucket(x, low, high, n) AS CASE WHEN x < low THEN 0 WHEN x >= high THEN n + 1
       ELSE CAST(floor((CAST(x AS DOUBLE) - low) / (high - low) * n) AS BIGINT) + 1 END""",
    # At most 10,000 entries, as in Athena: DuckDB's memory limit does not count lists.
    """CREATE MACRO athena_at_most(list) AS CASE WHEN len(list) > 10000
       THEN error('sequence and repeat return at most 10000 entries') ELSE list END""",
    """CREATE MACRO athena_sequence(first, last, step) AS athena_at_most(generate_series(first,
       CASE WHEN step < step * 0 THEN greatest(last, first + step * 10000)
       ELSE least(last, first + step * 10000) END, step))""",
    """CREATE MACRO athena_repeat(x, n) AS
       list_transform(athena_at_most(range(least(n, 10001))), LAMBDA i: x)""",
    # DuckDB's memory limit does not count strings while they are built, either: at most 10,000 characters.
    """CREATE MACRO athena_length(n) AS CASE WHEN n > 10000
       THEN error('lpad and rpad return at most 10000 characters') ELSE n END""",
    r"""CREATE MACRO athena_pattern(text) AS CASE
       WHEN regexp_matches(replace(text, '%%', ''), '%[^A-Za-z%]*([0-9]{5}|\*)')
       THEN error('format allows widths of at most 9999, and no *') ELSE text END""",
    "CREATE MACRO map_agg(k, v) AS map_from_entries(list(struct_pack(k := k, v := v)))",
    "CREATE MACRO nan() AS CAST('NaN' AS DOUBLE)",
    "CREATE MACRO infinity() AS CAST('Infinity' AS DOUBLE)",
    "CREATE MACRO e() AS exp(1.0e0)",
)
"""Statements to run in a DuckDB database before translated SQL runs there."""

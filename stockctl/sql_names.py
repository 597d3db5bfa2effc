"""Names of tables and databases that can stand in SQL as they are."""

import re

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_RESERVED = """
    alter and as between by case cast constraint create cross cube current_catalog current_date
    current_path current_role current_schema current_time current_timestamp current_user deallocate
    delete describe distinct drop else end escape except execute exists extract false fetch first for
    from full glob grant group grouping having if ilike in inner insert intersect into is join
    json_array json_exists json_object json_query json_table json_value last lateral left like listagg
    localtime localtimestamp natural normalize not notnull null nulls on or order outer prepare
    recursive returning revoke right rollback rollup rows select skip table tablesample then trim true
    uescape union unnest using values when where with
"""
"""What Athena reserves in a SELECT, and what else cannot follow FROM in its dialect or DuckDB's."""


def check_sql_name(name: str) -> str:
    """Return ``name`` if a query can name it without quotes.

    Raises:
        ValueError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("it must be 1 to 63 small letters, digits and underscores, no digit first")
    if name in _RESERVED.split():
        raise ValueError("it is a word of SQL itself, so no query could name it; take another")
    return name

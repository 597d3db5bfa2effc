"""SQL over the raw archive: what it may say, the table it reads, and the canned queries.

A statement is written in Athena's SQL. Both backends check it with ``check.check_query`` and run text
that is generated from the checked tree, never the text that came in.
"""

DATABASE = "stock_data_db"
TABLE = "stock_data_table"
COLUMNS = (
    ("symbol", "string"),
    ("timestamp", "string"),
    ("price", "double"),
    ("previous_close", "double"),
    ("open", "double"),
    ("high", "double"),
    ("low", "double"),
    ("volume", "bigint"),
    ("source", "string"),
    ("observed_at", "string"),
)
"""Name and type of each column, as the Glue catalogue spells them; one row is one raw object."""

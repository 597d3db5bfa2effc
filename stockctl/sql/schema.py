"""The table that SQL statements read: names and column types, the same in Glue and DuckDB."""

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

"""query: stored quotes, alerts, and SQL over the raw archive."""

from contextlib import ExitStack
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from stockctl.cli.options import Since, Symbols, parse_one_symbol, parse_symbols, settings_and_backend
from stockctl.cli.output.alerts import ALERT_FIELDS, alert_columns, alert_rows, since_timestamp
from stockctl.cli.output.columns import (
    Column,
    Row,
    age_column,
    any_column,
    mover_columns,
    quote_columns,
    text_column,
)
from stockctl.cli.output.messages import print_message
from stockctl.cli.output.tables import Format, Limit, Output, emit
from stockctl.cli.registration import add_command, new_app
from stockctl.cli.run.progress import activity
from stockctl.market.indicators import CROSSINGS
from stockctl.market.quote import EnrichedQuote

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from stockctl.backends.base import Backend
    from stockctl.pipeline.ports import SqlResult, Warehouse


class By(StrEnum):
    """The value that top movers are ranked by."""

    PERCENT = "percent"
    CHANGE = "change"


class Direction(StrEnum):
    """Which price changes are ranked."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = new_app(
        "query",
        "Query quotes, alerts and the raw archive.",
        "stockctl query latest",
        "stockctl query history AAPL --since 2h -o csv",
    )
    add_command(group, "list", list_queries, "stockctl query list", "stockctl query list -o json")
    add_command(
        group,
        "top-movers",
        top_movers,
        "stockctl query top-movers --limit 5",
        "stockctl query top-movers --by change --direction down",
    )
    add_command(
        group, "latest", latest, "stockctl query latest --symbols AAPL,MSFT", "stockctl query latest -o json"
    )
    add_command(
        group,
        "history",
        history,
        "stockctl query history AAPL --since 2h",
        "stockctl query history AAPL --limit 0 -o csv",
    )
    add_command(
        group,
        "anomalies",
        anomalies,
        "stockctl query anomalies --since 7d",
        "stockctl query anomalies --limit 5 -o json",
    )
    add_command(
        group, "signals", signals, "stockctl query signals --since 1d", "stockctl query signals -o csv"
    )
    add_command(
        group,
        "sql",
        sql,
        "stockctl query sql 'SELECT symbol, max(price) FROM stock_data_table GROUP BY symbol'",
        "stockctl query sql 'SELECT count(*) FROM stock_data_table' -o json",
    )
    app.add_typer(group)


def list_queries(output: Output = Format.TABLE) -> None:
    """List the predefined SQL queries."""
    from stockctl.sql.catalog import predefined_queries

    rows: list[Row] = [
        {"name": query.name, "description": query.description} for query in predefined_queries()
    ]
    columns = [
        text_column("NAME", "name", style="bold"),
        text_column("DESCRIPTION", "description"),
    ]
    emit(rows, ("name", "description"), columns, output)


def top_movers(
    ctx: typer.Context,
    *,
    by: Annotated[
        By, typer.Option(metavar="percent|change", help="Rank by change in percent or in currency.")
    ] = By.PERCENT,
    direction: Annotated[
        Direction, typer.Option(metavar="up|down|both", help="Rank rises, falls or both.")
    ] = Direction.BOTH,
    limit: Limit = 20,
    output: Output = Format.TABLE,
) -> None:
    """Rank symbols by the change of their latest price from the previous close."""
    from stockctl.sql.catalog import predefined_query

    settings, backend = settings_and_backend(ctx)
    statement = predefined_query("top-movers").with_table(settings.analytics.table)
    result = _run_query(backend, statement, (by.value, direction.value, limit))
    _emit_result(result, output, [*mover_columns(), age_column()])


def latest(
    ctx: typer.Context, *, symbols: Symbols = None, limit: Limit = 20, output: Output = Format.TABLE
) -> None:
    """Show the newest stored quote of each symbol."""
    wanted = parse_symbols(symbols)
    settings, backend = settings_and_backend(ctx)
    with backend.quotes() as reader:
        quotes = reader.latest(wanted)
    _emit_quotes(
        quotes[:limit] if limit else quotes, output, settings.indicators.short, settings.indicators.long
    )
    if limit and len(quotes) > limit:
        print_message(f"({len(quotes) - limit} more symbols; --limit 0 shows all)")


def history(
    ctx: typer.Context,
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="The symbol, such as AAPL.")],
    *,
    since: Since = None,
    limit: Limit = 20,
    output: Output = Format.TABLE,
) -> None:
    """Show the newest stored quotes of one symbol (see --limit), oldest first."""
    wanted = parse_one_symbol(symbol)
    settings, backend = settings_and_backend(ctx)
    with backend.quotes() as reader:
        quotes = reader.history(wanted, since=since_timestamp(since), limit=limit)
    _emit_quotes(quotes, output, settings.indicators.short, settings.indicators.long)


def anomalies(
    ctx: typer.Context, *, since: Since = None, limit: Limit = 20, output: Output = Format.TABLE
) -> None:
    """Show anomaly alerts: price changes above the threshold, newest first."""
    _emit_alerts(ctx, ("anomaly",), since, limit, output)


def signals(
    ctx: typer.Context, *, since: Since = None, limit: Limit = 20, output: Output = Format.TABLE
) -> None:
    """Show crossing alerts (buy and sell signals), newest first."""
    _emit_alerts(ctx, CROSSINGS, since, limit, output)


def sql(
    ctx: typer.Context,
    statement: Annotated[
        str, typer.Argument(metavar="SQL", help="One SELECT over stock_data_table, in Athena's dialect.")
    ],
    *,
    output: Output = Format.TABLE,
) -> None:
    """Run one SELECT over the raw archive."""
    _, backend = settings_and_backend(ctx)
    result = _run_query(backend, statement)
    numeric = [
        any(isinstance(row[index], int | float) for row in result.rows)
        for index in range(len(result.columns))
    ]
    names = _unique_names(result.columns)
    columns = [any_column(name, right=right) for name, right in zip(names, numeric, strict=True)]
    _emit_result(result._replace(columns=names), output, columns)


def _run_query(backend: "Backend", statement: str, parameters: "Sequence[object]" = ()) -> "SqlResult":
    """Run a statement with a progress message, and print the cost of the scan if it is known."""
    with ExitStack() as cleanup, activity() as report:
        report("querying")
        warehouse = backend.warehouse(report)
        cleanup.callback(_print_scan, warehouse)
        return warehouse.query(statement, parameters)


def _print_scan(warehouse: "Warehouse") -> None:
    if warehouse.last_scan is not None:
        print_message(f"({warehouse.last_scan})")


def _unique_names(names: "Sequence[str]") -> list[str]:
    """Return column names without duplicates: the second ``price`` becomes ``price_2``."""
    unique: list[str] = []
    for name in names:
        candidate, number = name, 1
        while candidate in unique:
            number += 1
            candidate = f"{name}_{number}"
        unique.append(candidate)
    return unique


def _emit_result(result: "SqlResult", output: Format, columns: "Sequence[Column]") -> None:
    rows: list[Row] = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
    emit(rows, result.columns, columns, output)
    if not rows:
        print_message("No rows.")


def _emit_quotes(quotes: "Sequence[EnrichedQuote]", output: Format, short: int, long: int) -> None:
    emit(
        [quote._asdict() for quote in quotes],
        EnrichedQuote._fields,
        quote_columns(short, long),
        output,
    )
    if not quotes:
        print_message("No quotes.")


def _emit_alerts(
    ctx: typer.Context, kinds: "Collection[str]", since: str | None, limit: int, output: Format
) -> None:
    _, backend = settings_and_backend(ctx)
    with backend.alerts() as reader:
        alerts = reader.recent(kinds=kinds, since=since_timestamp(since), limit=limit)
    emit(alert_rows(alerts), ALERT_FIELDS, alert_columns(), output)
    if not alerts:
        print_message("No alerts.")

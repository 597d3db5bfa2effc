"""query: SQL over the raw archive, and what the table and the alert log answer."""

from contextlib import ExitStack
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from stockctl.cli.errors import handle_errors
from stockctl.cli.options import Since, parse_one_symbol, parse_symbols, settings_and_backend
from stockctl.cli.output import tables
from stockctl.cli.output.alerts import ALERT_FIELDS, alert_columns, alert_rows, since_timestamp
from stockctl.cli.output.tables import Column, Format, Limit, Output, Row, emit
from stockctl.cli.output.terminal import print_message
from stockctl.cli.run.progress import activity
from stockctl.market.indicators import CROSSINGS
from stockctl.market.quote import EnrichedQuote

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from stockctl.backends.base import Backend
    from stockctl.pipeline.ports import SqlResult, Warehouse

app = typer.Typer(no_args_is_help=True)

Symbols = Annotated[str | None, typer.Option("--symbols", "-s", help="Only these, such as AAPL,MSFT.")]


class By(StrEnum):
    """What top movers are ranked by."""

    PERCENT = "percent"
    CHANGE = "change"


class Direction(StrEnum):
    """Which moves are ranked."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"


def list_queries(output: Output = Format.TABLE) -> None:
    """Describe each canned query."""
    from stockctl.sql.catalog import catalog

    rows: list[Row] = [{"name": query.name, "description": query.description} for query in catalog()]
    shown = [tables.text_cell("NAME", "name", style="bold"), tables.text_cell("DESCRIPTION", "description")]
    emit(rows, ("name", "description"), shown, output)


def top_movers(
    ctx: typer.Context,
    *,
    by: Annotated[By, typer.Option(help="Rank by percent or by absolute change.")] = By.PERCENT,
    direction: Annotated[Direction, typer.Option(help="Rises, falls or both.")] = Direction.BOTH,
    limit: Limit = 20,
    output: Output = Format.TABLE,
) -> None:
    """Rank the latest quote of each symbol by its move against the previous close."""
    from stockctl.sql.catalog import canned_query

    settings, backend = settings_and_backend(ctx)
    statement = canned_query("top-movers").over(settings.analytics.table)
    result = _run_query(backend, statement, (by.value, direction.value, limit))
    _emit_result(result, output, [*tables.mover_columns(), tables.age_cell()])


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
    symbol: Annotated[str, typer.Argument(help="Such as AAPL.")],
    *,
    since: Since = None,
    limit: Limit = 20,
    output: Output = Format.TABLE,
) -> None:
    """Show the stored quotes of one symbol, oldest first; --limit keeps the newest."""
    wanted = parse_one_symbol(symbol)
    settings, backend = settings_and_backend(ctx)
    with backend.quotes() as reader:
        quotes = reader.history(wanted, since=since_timestamp(since), limit=limit)
    _emit_quotes(quotes, output, settings.indicators.short, settings.indicators.long)


def anomalies(
    ctx: typer.Context, *, since: Since = None, limit: Limit = 20, output: Output = Format.TABLE
) -> None:
    """Show the moves beyond the threshold, newest alert first."""
    _emit_alerts(ctx, ("anomaly",), since, limit, output)


def signals(
    ctx: typer.Context, *, since: Since = None, limit: Limit = 20, output: Output = Format.TABLE
) -> None:
    """Show the crossings of the moving averages, newest alert first."""
    _emit_alerts(ctx, CROSSINGS, since, limit, output)


def sql(
    ctx: typer.Context,
    statement: Annotated[str, typer.Argument(help="One SELECT over stock_data_table, in Athena's SQL.")],
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
    names = _distinct(result.columns)
    shown = [tables.any_column(name, right=right) for name, right in zip(names, numeric, strict=True)]
    _emit_result(result._replace(columns=names), output, shown)


def _run_query(backend: "Backend", statement: str, parameters: "Sequence[object]" = ()) -> "SqlResult":
    """Run a statement, show that it runs, and tell what it cost if anything."""
    with ExitStack() as behind, activity() as tell:
        tell("querying")
        warehouse = backend.warehouse(tell)
        behind.callback(_print_scan, warehouse)
        return warehouse.query(statement, parameters)


def _print_scan(warehouse: "Warehouse") -> None:
    if warehouse.last_scan is not None:
        print_message(f"({warehouse.last_scan})")


def _distinct(names: "Sequence[str]") -> list[str]:
    """Return column names without repeats: the second ``price`` becomes ``price_2``."""
    distinct: list[str] = []
    for name in names:
        candidate, number = name, 1
        while candidate in distinct:
            number += 1
            candidate = f"{name}_{number}"
        distinct.append(candidate)
    return distinct


def _emit_result(result: "SqlResult", output: Format, shown: "Sequence[Column]") -> None:
    rows: list[Row] = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
    emit(rows, result.columns, shown, output)
    if not rows:
        print_message("No rows.")


def _emit_quotes(quotes: "Sequence[EnrichedQuote]", output: Format, short: int, long: int) -> None:
    emit(
        [quote._asdict() for quote in quotes],
        EnrichedQuote._fields,
        tables.quote_columns(short, long),
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


app.command("list", help="Describe each canned query.")(handle_errors(list_queries))
app.command("top-movers")(handle_errors(top_movers))
app.command("latest")(handle_errors(latest))
app.command("history")(handle_errors(history))
app.command("anomalies")(handle_errors(anomalies))
app.command("signals")(handle_errors(signals))
app.command("sql")(handle_errors(sql))

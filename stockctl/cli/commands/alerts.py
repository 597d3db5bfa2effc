"""alerts: follow the log, list it, test the way to people."""

from enum import StrEnum
from typing import Annotated

import typer

from stockctl.cli.errors import handle_errors
from stockctl.cli.options import Since, aws_backend, parse_symbols, settings_and_backend
from stockctl.cli.output import tables
from stockctl.cli.output.alerts import ALERT_FIELDS, AlertLines, alert_columns, alert_rows, since_timestamp
from stockctl.cli.output.stdio import pause
from stockctl.cli.output.tables import Format, Limit, Output, Row, emit, write
from stockctl.cli.output.terminal import print_message
from stockctl.market.alert import KINDS

app = typer.Typer(no_args_is_help=True)

POLL_SECONDS = 0.5


class Protocol(StrEnum):
    """How somebody is told."""

    EMAIL = "email"
    SMS = "sms"
    SQS = "sqs"
    HTTPS = "https"


# What an alert is about, as the type of an option; its members are known only when it runs.
Kind = StrEnum("Kind", [(kind.upper(), kind) for kind in KINDS])  # type: ignore[misc]


def tail(ctx: typer.Context, *, since: Since = None, output: Output = Format.TABLE) -> None:
    """Follow the alert log: what --since asks for, then what comes, until Ctrl-C."""
    _, backend = settings_and_backend(ctx)
    with backend.alerts() as reader:
        log = reader.follow(since_timestamp(since))
        lines = AlertLines(output)
        print_message(
            f"Following the alerts in {backend.location}; Ctrl-C ends." + ("" if since else _EARLIER)
        )
        while True:
            lines.write(log.read())
            pause(POLL_SECONDS)


def list_alerts(
    ctx: typer.Context, *, since: Since = None, limit: Limit = 20, output: Output = Format.TABLE
) -> None:
    """Show the alert log, newest first."""
    _, backend = settings_and_backend(ctx)
    with backend.alerts() as reader:
        alerts = reader.recent(since=since_timestamp(since), limit=limit)
    emit(alert_rows(alerts), ALERT_FIELDS, alert_columns(), output)
    if not alerts:
        print_message("No alerts.")


def test(ctx: typer.Context) -> None:
    """Send a marked test alert along the way of real ones."""
    _, backend = settings_and_backend(ctx)
    alert_id = backend.send_test_alert()
    print_message(f"Sent {alert_id}. 'stockctl alerts tail --since 1m' shows it.")


def subscribe(
    ctx: typer.Context,
    protocol: Annotated[Protocol, typer.Argument(help="How.")],
    endpoint: Annotated[str, typer.Argument(help="An address, a number, an https URL or a queue's ARN.")],
    *,
    symbols: Annotated[str | None, typer.Option("--symbols", "-s", help="Only alerts of these.")] = None,
    kinds: Annotated[
        list[Kind] | None, typer.Option("--kind", help="Only alerts of this kind. Repeatable.")
    ] = None,
) -> None:
    """Have somebody told of alerts, of some symbols and kinds or of all."""
    _, backend = aws_backend(ctx, "'subscribe' has somebody told of alerts", _INSTEAD)
    done = backend.subscribers().subscribe(
        protocol.value, endpoint, parse_symbols(symbols) or (), [kind.value for kind in kinds or ()]
    )
    print_message("The subscription has a new filter." if done.changed else "Subscribed.")
    if done.note:
        print_message(done.note)
    if done.policy is not None:
        write(done.policy)


def subscriptions(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """List who is told of alerts, those who have not confirmed yet too."""
    _, backend = aws_backend(ctx, "'subscriptions' lists who is told of alerts", _INSTEAD)
    rows: list[Row] = [
        {
            "protocol": each.protocol,
            "endpoint": each.endpoint,
            "state": "pending" if each.pending else "confirmed",
            "symbols": list(each.symbols),
            "kinds": list(each.kinds),
            "owner": "configuration" if each.owned else "by hand",
            "arn": each.arn or None,
        }
        for each in backend.subscribers().list_all()
    ]
    shown = [
        tables.text_cell("PROTOCOL", "protocol"),
        tables.text_cell("ENDPOINT", "endpoint", style="bold"),
        tables.colour_by_sign("STATE", "state", {"confirmed": "green", "pending": "yellow"}),
        tables.list_cell("SYMBOLS", "symbols"),
        tables.list_cell("KINDS", "kinds"),
        tables.text_cell("MADE", "owner", optional=True),
    ]
    emit(rows, ("protocol", "endpoint", "state", "symbols", "kinds", "owner", "arn"), shown, output)
    if not rows:
        print_message("Nobody is subscribed.")


def unsubscribe(
    ctx: typer.Context, which: Annotated[str, typer.Argument(help="The endpoint, or the ARN.")]
) -> None:
    """End a subscription to alerts."""
    _, backend = aws_backend(ctx, "'unsubscribe' ends a subscription to alerts", _INSTEAD)
    ended = backend.subscribers().unsubscribe(which)
    print_message(f"{ended.endpoint} is not told of alerts any more.")


_INSTEAD = "there, 'stockctl alerts tail' follows them"
_EARLIER = " Earlier ones: --since 1h."

app.command("tail")(handle_errors(tail))
app.command("list")(handle_errors(list_alerts))
app.command("test")(handle_errors(test))
app.command("subscribe", rich_help_panel="On AWS")(handle_errors(subscribe))
app.command("subscriptions", rich_help_panel="On AWS")(handle_errors(subscriptions))
app.command("unsubscribe", rich_help_panel="On AWS")(handle_errors(unsubscribe))

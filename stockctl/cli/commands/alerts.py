"""alerts: follow and list the alert log, test delivery, manage subscriptions."""

from enum import StrEnum
from typing import Annotated

import typer

from stockctl.cli.options import Since, Symbols, aws_backend, parse_symbols, settings_and_backend
from stockctl.cli.output.alerts import ALERT_FIELDS, AlertLines, alert_columns, alert_rows, since_timestamp
from stockctl.cli.output.columns import Row, list_column, text_column, word_column
from stockctl.cli.output.messages import print_message
from stockctl.cli.output.standard_streams import pause
from stockctl.cli.output.tables import Format, Limit, Output, emit, write
from stockctl.cli.registration import add_command, new_app
from stockctl.market.alert import KINDS

_AWS = "On AWS"
_POLL_SECONDS = 0.5
_INSTEAD = "With target = \"local\", 'stockctl alerts tail' follows the alerts."
_EARLIER = " To see earlier ones, pass --since 1h."


class Protocol(StrEnum):
    """How alerts are sent to a subscriber."""

    EMAIL = "email"
    SMS = "sms"
    SQS = "sqs"
    HTTPS = "https"


# The type of the option --kind; its members are known only at run time.
Kind = StrEnum("Kind", [(kind.upper(), kind) for kind in KINDS])  # type: ignore[misc]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = new_app(
        "alerts", "Follow, list and test alerts.", "stockctl alerts tail --since 1h", "stockctl alerts list"
    )
    add_command(group, "tail", tail, "stockctl alerts tail", "stockctl alerts tail --since 1h -o json")
    add_command(group, "list", list_alerts, "stockctl alerts list", "stockctl alerts list --since 2d -o csv")
    add_command(group, "test", test, "stockctl alerts test", "stockctl --target aws alerts test")
    add_command(
        group,
        "subscribe",
        subscribe,
        "stockctl --target aws alerts subscribe email trader@example.com",
        "stockctl --target aws alerts subscribe sms +491701234567 --symbols AAPL --kind anomaly",
        panel=_AWS,
    )
    add_command(
        group,
        "subscriptions",
        subscriptions,
        "stockctl --target aws alerts subscriptions",
        "stockctl --target aws alerts subscriptions -o json",
        panel=_AWS,
    )
    add_command(
        group,
        "unsubscribe",
        unsubscribe,
        "stockctl --target aws alerts unsubscribe trader@example.com",
        "stockctl --target aws alerts unsubscribe +491701234567",
        panel=_AWS,
    )
    app.add_typer(group)


def tail(ctx: typer.Context, *, since: Since = None, output: Output = Format.TABLE) -> None:
    """Follow the alert log until Ctrl-C: print new alerts; with --since, print earlier ones first."""
    _, backend = settings_and_backend(ctx)
    with backend.alerts() as reader:
        log = reader.follow(since_timestamp(since))
        lines = AlertLines(output)
        print_message(
            f"Following the alerts in {backend.location}; press Ctrl-C to stop." + ("" if since else _EARLIER)
        )
        while True:
            lines.write(log.read())
            pause(_POLL_SECONDS)


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
    """Send an alert that is marked as a test, in the same way as real alerts."""
    _, backend = settings_and_backend(ctx)
    alert_id = backend.send_test_alert()
    print_message(f"Sent {alert_id}. To see it, run 'stockctl alerts tail --since 1m'.")


def subscribe(
    ctx: typer.Context,
    protocol: Annotated[
        Protocol, typer.Argument(metavar="PROTOCOL", help="How to send alerts: email, sms, sqs or https.")
    ],
    endpoint: Annotated[
        str,
        typer.Argument(
            metavar="ENDPOINT",
            help="Where to send them: an e-mail address, a phone number, a queue's ARN or an https URL.",
        ),
    ],
    *,
    symbols: Symbols = None,
    kinds: Annotated[
        list[Kind] | None,
        typer.Option(
            "--kind", metavar="KIND", help=f"Only this kind of alert ({', '.join(KINDS)}); can be repeated."
        ),
    ] = None,
) -> None:
    """Subscribe an address to alerts, optionally only of some symbols or kinds."""
    _, backend = aws_backend(ctx, _INSTEAD)
    done = backend.subscribers().subscribe(
        protocol.value, endpoint, parse_symbols(symbols) or (), [kind.value for kind in kinds or ()]
    )
    print_message("Changed the filter of the subscription." if done.changed else "Subscribed.")
    if done.note:
        print_message(done.note)
    if done.policy is not None:
        write(done.policy)


def subscriptions(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """List the subscriptions to alerts, including those that are not confirmed yet."""
    _, backend = aws_backend(ctx, _INSTEAD)
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
    columns = [
        text_column("PROTOCOL", "protocol"),
        text_column("ENDPOINT", "endpoint", style="bold"),
        word_column("STATE", "state", {"confirmed": "green", "pending": "yellow"}),
        list_column("SYMBOLS", "symbols"),
        list_column("KINDS", "kinds"),
        text_column("MADE", "owner", optional=True),
    ]
    emit(rows, ("protocol", "endpoint", "state", "symbols", "kinds", "owner", "arn"), columns, output)
    if not rows:
        print_message("No subscriptions.")


def unsubscribe(
    ctx: typer.Context,
    endpoint: Annotated[
        str, typer.Argument(metavar="ENDPOINT", help="The endpoint of the subscription, or its ARN.")
    ],
) -> None:
    """End a subscription to alerts."""
    _, backend = aws_backend(ctx, _INSTEAD)
    ended = backend.subscribers().unsubscribe(endpoint)
    print_message(f"{ended.endpoint} will receive no more alerts.")

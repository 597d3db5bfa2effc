"""alerts: follow the log, list it, test the way to people."""

import select
import sys
import time

import typer

from stockctl.cli import later
from stockctl.cli.alert_view import (
    ALERT_FIELDS,
    AlertLines,
    alert_columns,
    alert_rows,
    since_timestamp,
)
from stockctl.cli.boundary import guarded
from stockctl.cli.context import settings_and_backend
from stockctl.cli.options import Since
from stockctl.cli.output import Format, Limit, Output, emit
from stockctl.cli.terminal import say

app = typer.Typer(no_args_is_help=True)

POLL_SECONDS = 0.5


def tail(ctx: typer.Context, *, since: Since = None, output: Output = Format.TABLE) -> None:
    """Follow the alert log: what --since asks for, then what comes, until Ctrl-C."""
    _, backend = settings_and_backend(ctx)
    with backend.alerts() as reader:
        log = reader.follow(since_timestamp(since))
        lines = AlertLines(output)
        say(f"Following the alerts in {backend.place}; Ctrl-C ends." + ("" if since else _EARLIER))
        while True:
            lines.write(log.read())
            _pause(POLL_SECONDS)


def list_alerts(
    ctx: typer.Context, *, since: Since = None, limit: Limit = 20, output: Output = Format.TABLE
) -> None:
    """Show the alert log, newest first."""
    _, backend = settings_and_backend(ctx)
    with backend.alerts() as reader:
        alerts = reader.recent(since=since_timestamp(since), limit=limit)
    emit(alert_rows(alerts), ALERT_FIELDS, alert_columns(), output)
    if not alerts:
        say("No alerts.")


def test(ctx: typer.Context) -> None:
    """Send a marked test alert along the way of real ones."""
    _, backend = settings_and_backend(ctx)
    alert_id = backend.send_test_alert()
    say(f"Sent {alert_id}. 'stockctl alerts tail --since 1m' shows it.")


def _pause(seconds: float) -> None:
    """Wait, and notice at once when whoever reads our pipe has gone.

    Raises:
        BrokenPipeError: nobody reads any more.
    """
    if not hasattr(select, "poll") or sys.stdout.isatty():
        time.sleep(seconds)
        return
    watch = select.poll()
    watch.register(sys.stdout.fileno(), 0)
    if any(
        event & (select.POLLERR | select.POLLHUP | select.POLLNVAL) for _, event in watch.poll(seconds * 1000)
    ):
        raise BrokenPipeError


_EARLIER = " Earlier ones: --since 1h."

app.command("tail")(guarded(tail))
app.command("list")(guarded(list_alerts))
app.command("test")(guarded(test))
later.register(
    app,
    {
        "subscribe": "has somebody told of alerts by e-mail, SMS, queue or HTTPS",
        "subscriptions": "lists who is told of alerts",
        "unsubscribe": "ends a subscription to alerts",
    },
    instead="there, 'stockctl alerts tail' follows them",
)

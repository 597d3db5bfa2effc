"""Alerts as lines of text, JSON or CSV, and as rows of a table."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from stockctl.cli.output.columns import Column, Row, text_column, timestamp_columns, word_column
from stockctl.cli.output.messages import escape_control, local_is_utc, local_text, utc_text
from stockctl.cli.output.tables import Format, data_console, write, write_csv
from stockctl.errors import UsageError
from stockctl.formatting import parse_since
from stockctl.market.alert import Alert
from stockctl.market.numbers import to_json

ALERT_FIELDS = Alert._fields
_MARKS = {"trend_up": ("▲", "green"), "trend_down": ("▼", "red"), "anomaly": ("!", "yellow")}


def since_timestamp(since: str | None) -> str | None:
    """Return the canonical timestamp that ``--since`` means.

    Raises:
        UsageError: it is not a duration or a time.
    """
    if since is None:
        return None
    try:
        return parse_since(since, datetime.now(UTC))
    except ValueError as error:
        raise UsageError(f"--since: {error}.") from None


def alert_rows(alerts: Sequence[Alert]) -> list[Row]:
    """Return alerts as rows."""
    return [alert._asdict() for alert in alerts]


def alert_columns() -> list[Column]:
    """Return the columns of an alert table."""
    return [
        *timestamp_columns(),
        word_column("KIND", "kind", {kind: style for kind, (_, style) in _MARKS.items()}),
        text_column("MESSAGE", "message"),
    ]


class AlertLines:
    """Writes alerts one at a time, as they occur."""

    def __init__(self, output: Format) -> None:
        self._output = output
        self.console = data_console()
        if output is Format.CSV:
            write_csv(ALERT_FIELDS, [])

    def write(self, alerts: Sequence[Alert]) -> None:
        """Write alerts: one line of text each, one JSON object per line, or CSV rows."""
        for alert in alerts:
            if self._output is Format.JSON:
                write(to_json(alert._asdict()))
            elif self._output is Format.CSV:
                write_csv(ALERT_FIELDS, [alert], header=False)
            else:
                self._write_line(alert)
        if alerts:
            sys.stdout.flush()

    def _write_line(self, alert: Alert) -> None:
        from rich.text import Text

        mark, style = _MARKS[alert.kind]
        line = Text.assemble(
            (_time_text(alert.timestamp), "dim"), " ", (f"{mark} {escape_control(alert.message)}", style)
        )
        self.console.print(line, soft_wrap=not self.console.is_terminal)


def _time_text(timestamp: str) -> str:
    """Return a timestamp in UTC and, if that differs, in local time."""
    utc = utc_text(timestamp)
    if local_is_utc():
        return f"{utc} UTC"
    day, time = local_text(timestamp).split(" ", 1)
    return f"{utc} UTC ({time if utc.startswith(day) else f'{day} {time}'})"

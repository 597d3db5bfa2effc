"""Metrics and events as log lines in logfmt: ``key=value`` separated by blanks."""

import logging
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from stockctl.market.timestamp import format_timestamp
from stockctl.monitoring.health import DELIVERY, StateChange
from stockctl.monitoring.metrics import RunMetrics

_BARE = re.compile(r'[^\s"=\\]+')


class LogfmtLogger:
    """Formats events as lines.

    Metrics are ``event=figures`` with the fields of ``RunMetrics.fields``. A change of state is
    ``event=change`` with ``subject``, ``state``, ``was``, ``after`` (seconds in the state before), and
    ``reason`` and ``until`` if there are any. Other messages are ``event=message`` with ``text``.
    Null values are omitted.

    Args:
        write: takes one line.
        clock: returns the time of day, aware.
    """

    def __init__(
        self, write: Callable[[str], None], clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._write = write
        self._clock = clock

    def metrics(self, run: RunMetrics) -> None:
        """Write the metrics of this moment."""
        self._line("info", {"event": "figures", **run.fields()})

    def change(self, change: StateChange) -> None:
        """Write a change of state."""
        before, now = change
        fields = {
            "event": "change",
            "subject": now.subject,
            "state": now.name,
            "was": before.name,
            "after": round((now.since - before.since).total_seconds(), 1),
            "until": None if now.until is None else format_timestamp(now.until),
            "reason": now.reason,
        }
        self._line("warning" if now.is_bad else "info", fields)

    def message(self, level: str, text: str) -> None:
        """Write a message."""
        self._line(level, {"event": "message", "text": text})

    def _line(self, level: str, fields: Mapping[str, object]) -> None:
        self._write(logfmt({"time": format_timestamp(self._clock()), "level": level, **fields}))


class LogfmtHandler(logging.Handler):
    """Writes log records as messages, except those on a change of the delivery's state.

    Those have ``event`` set to ``delivery`` (``extra={"event": "delivery"}``). The line for the change itself
    takes their place.

    Args:
        logger: takes the messages.
        check_delivery: called instead of writing such a record.
    """

    def __init__(self, logger: LogfmtLogger, check_delivery: Callable[[], None]) -> None:
        super().__init__()
        self._logger = logger
        self._check_delivery = check_delivery

    def handle(self, record: logging.LogRecord) -> bool:
        """Write a record without the handler's lock, which would let one blocked thread block others."""
        wanted = bool(self.filter(record))
        if wanted:
            self.emit(record)
        return wanted

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        if getattr(record, "event", None) == DELIVERY:
            self._check_delivery()
        else:
            self._logger.message(record.levelname.lower(), record.getMessage())


def logfmt(fields: Mapping[str, object]) -> str:
    """Return fields as one line; null values are omitted."""
    return " ".join(f"{key}={_value(value)}" for key, value in fields.items() if value is not None)


def _value(value: object) -> str:
    text = str(value)
    if _BARE.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + '"'

"""Metrics and events as lines of a log, in logfmt: ``key=value`` separated by blanks."""

import logging
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from stockctl.market.timestamp import format_timestamp
from stockctl.monitoring.health import StateChange
from stockctl.monitoring.metrics import RunMetrics

_TELLS_OF_DELIVERY = "stockctl.producer.delivery"
_BARE = re.compile(r'[^\s"=\\]+')


class LogfmtLogger:
    """Writes lines.

    A line of figures is ``event=figures`` with the fields of ``RunMetrics.fields``; a change has
    ``event=change``, its ``subject``, ``state``, ``was`` and ``after`` (seconds in the state before), and
    ``reason`` and ``until`` where there are any. Anything else is ``event=message`` with its ``text``.
    What is null is left out.

    Args:
        write: takes one line.
        clock: the time of day, aware.
    """

    def __init__(
        self, write: Callable[[str], None], clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._write = write
        self._clock = clock

    def figures(self, figures: RunMetrics) -> None:
        """Write the figures of this moment."""
        self._line("info", {"event": "figures", **figures.fields()})

    def change(self, change: StateChange) -> None:
        """Write a change."""
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
        """Write what was said in words."""
        self._line(level, {"event": "message", "text": text})

    def _line(self, level: str, fields: Mapping[str, object]) -> None:
        self._write(logfmt({"time": format_timestamp(self._clock()), "level": level, **fields}))


class LogfmtHandler(logging.Handler):
    """Writes what a package logs into a journal, but for words on changes that the journal tells itself.

    Args:
        journal: takes the lines.
        changed: is called instead of writing such words.
    """

    def __init__(self, journal: LogfmtLogger, changed: Callable[[], None]) -> None:
        super().__init__()
        self._journal = journal
        self._changed = changed

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a message without a lock: a line needs none, and its holder must not keep another waiting."""
        wanted = bool(self.filter(record))
        if wanted:
            self.emit(record)
        return wanted

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message."""
        if record.name == _TELLS_OF_DELIVERY:
            self._changed()
        else:
            self._journal.message(record.levelname.lower(), record.getMessage())


def logfmt(fields: Mapping[str, object]) -> str:
    """Return fields as one line; what is null is left out."""
    return " ".join(f"{key}={_value(value)}" for key, value in fields.items() if value is not None)


def _value(value: object) -> str:
    text = str(value)
    if _BARE.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + '"'

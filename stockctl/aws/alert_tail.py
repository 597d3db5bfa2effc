"""A place in the alert log that moves on with it."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from stockctl.aws.faults import explained
from stockctl.market.alert import Alert
from stockctl.market.timestamp import format_timestamp, to_datetime

# An alert is logged a moment after the time it bears, and the index shows it a moment after that.
_OVERLAP = timedelta(minutes=1)
# Far longer than the trend stage may take: no alert is logged so long after the time it bears.
_SETTLED = timedelta(hours=1)


class DynamoAlertTail:
    """Reads from a minute before the newest alert it knows, and leaves out those it has met.

    Args:
        read_since: returns the alerts created from a moment on, oldest first.
        clock: tells the present as an aware datetime.
        since: the first moment to read from; None means an hour ago, far enough for clocks that differ.
    """

    def __init__(
        self,
        read_since: Callable[[str], Sequence[Alert]],
        clock: Callable[[], datetime],
        since: str | None,
    ) -> None:
        self._read_since = read_since
        self._clock = clock
        self._since = since or self._settled()
        self._seen: dict[str, str] = {}

    @explained()
    def read(self) -> Sequence[Alert]:
        """Return what came since the last read, oldest first, each alert once."""
        found = [alert for alert in self._read_since(self._since) if alert.alert_id not in self._seen]
        self._seen.update((alert.alert_id, alert.created_at) for alert in found)
        self._move_on()
        return found

    def _move_on(self) -> None:
        self._since = max(self._since, self._settled())
        if self._seen:
            newest = to_datetime(max(self._seen.values()))
            self._since = max(self._since, format_timestamp(newest - _OVERLAP))
        self._seen = {alert_id: moment for alert_id, moment in self._seen.items() if moment >= self._since}

    def _settled(self) -> str:
        return format_timestamp(self._clock() - _SETTLED)

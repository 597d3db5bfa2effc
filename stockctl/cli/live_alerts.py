"""Alerts of a live stream, written as long as somebody reads them; what is left out is counted and told."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stockctl.cli.live_outlet import Outlets
from stockctl.cli.terminal import counted

if TYPE_CHECKING:
    from stockctl.cli.alert_view import AlertLines
    from stockctl.market.alert import Alert

_log = logging.getLogger(__name__)


class LiveAlerts:
    """Writes alerts through ``outlets``; one thread writes, another one tells.

    Args:
        lines: writes them.
        outlets: what they go through.
    """

    def __init__(self, lines: "AlertLines | None", outlets: Outlets) -> None:
        self._lines = lines
        self._outlets = outlets
        self._unshown = self._told = 0

    def write(self, alerts: "Sequence[Alert]") -> None:
        """Write alerts, unless too much waits for a reader: the alert log has them all."""
        if self._lines is None:
            return
        if self._outlets.output.full:
            self._unshown += len(alerts)
        else:
            self._lines.write(alerts)

    def tell(self) -> None:
        """Tell what was left out, if somebody reads again."""
        if refused := self._outlets.error.take_refused():
            _log.warning("%s of this log not written: nobody read it.", counted(refused, "line"))
        if not self._outlets.output.full:
            self.tell_unshown()

    def tell_unshown(self) -> None:
        """Tell how many alerts were left out."""
        unshown = self._unshown - self._told
        self._told += unshown
        if unshown:
            _log.warning(
                "%s not shown: nobody read them; see 'stockctl alerts list'.", counted(unshown, "alert")
            )

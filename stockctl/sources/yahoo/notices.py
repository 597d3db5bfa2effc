"""Notices about symbols: logged when they begin and when they end, not at each poll."""

import logging
from collections import defaultdict
from collections.abc import Collection
from typing import NamedTuple

from stockctl.formatting import join_symbols
from stockctl.sources.yahoo.errors import SPELLING
from stockctl.sources.yahoo.parser import MAX_RATIO

_log = logging.getLogger(__name__)


class Notice(NamedTuple):
    """A message about symbols (``%s``), its level, and the message when it no longer applies, if any."""

    level: int
    starts: str
    ends: str | None = None


MISSING = Notice(
    logging.WARNING,
    f"Yahoo has no quote for %s. Retrying at growing intervals, up to one hour. {SPELLING}",
    "Yahoo has a quote for %s now.",
)


VANISHED = Notice(
    logging.WARNING,
    "Yahoo has no quote for %s any more. Retrying at every poll.",
    "Yahoo has a quote for %s again.",
)


TIMELESS = Notice(
    logging.WARNING,
    "Yahoo gives no market time for %s. The price may be old, so it is not sent.",
    "Yahoo gives a market time for %s again.",
)


BACKWARDS = Notice(
    logging.WARNING,
    "Yahoo's quote of %s is older than the one sent before, so it is not sent.",
)


WRONG_CLOSE = Notice(
    logging.WARNING,
    f"Yahoo's previous close of %s is not used: the price is more than {MAX_RATIO} times higher.",
)


CLOSED = Notice(
    logging.INFO,
    "The market of %s is outside its regular session; its price does not change until it opens. "
    "Polling continues.",
    "The market of %s is open.",
)


class Notices:
    """Knows which notices apply to which symbols, and logs the changes."""

    def __init__(self) -> None:
        self._symbols: defaultdict[Notice, set[str]] = defaultdict(set)

    def update(self, notice: Notice, affected: Collection[object], among: Collection[str]) -> None:
        """Set which of the symbols ``among`` are affected by a notice, and log what has changed."""
        before = self._symbols[notice]
        started = [symbol for symbol in among if symbol in affected and symbol not in before]
        ended = [symbol for symbol in among if symbol in before and symbol not in affected]
        if started:
            _log.log(notice.level, notice.starts, join_symbols(started))
        if ended and notice.ends is not None:
            _log.info(notice.ends, join_symbols(ended))
        before.difference_update(ended)
        before.update(started)

    def retain(self, symbols: Collection[str]) -> None:
        """Forget all other symbols, without logging it."""
        for affected in self._symbols.values():
            affected.intersection_update(symbols)

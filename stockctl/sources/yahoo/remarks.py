"""What may hold of a symbol for many polls: said when it begins and when it ends, not at every poll."""

import logging
from collections import defaultdict
from collections.abc import Collection
from typing import NamedTuple

from stockctl.sources.wording import named
from stockctl.sources.yahoo.faults import SPELLING

_log = logging.getLogger(__name__)


class Remark(NamedTuple):
    """A sentence about symbols (``%s``), the level to say it at, and what to say when it is over, if any."""

    level: int
    begins: str
    ends: str | None = None


MISSING = Remark(
    logging.WARNING,
    f"Yahoo has no quote for %s, and is asked for it again ever more rarely, hourly in the end. {SPELLING}",
    "Yahoo has a quote for %s now.",
)
VANISHED = Remark(
    logging.WARNING,
    "Yahoo has no quote for %s any more, and is asked for it again at every poll.",
    "Yahoo has a quote for %s again.",
)
TIMELESS = Remark(
    logging.WARNING,
    "Yahoo does not say since when %s has its price; it may be old, so it is not sent.",
    "Yahoo says again since when %s has its price.",
)
BACKWARDS = Remark(
    logging.WARNING,
    "Yahoo goes back in time with %s: the quote is older than the one sent before, so it is not sent.",
)
ODD_CLOSE = Remark(
    logging.WARNING,
    "Yahoo's previous close of %s is out of all proportion to the price, and left out.",
)
CLOSED = Remark(
    logging.INFO,
    "The market of %s is not in its regular session: prices rest until it opens, polling goes on.",
    "The market of %s is open.",
)


class Remarks:
    """Knows which remarks hold of which symbols."""

    def __init__(self) -> None:
        self._holding: defaultdict[Remark, set[str]] = defaultdict(set)

    def note(self, remark: Remark, holds_of: Collection[object], among: Collection[str]) -> None:
        """Take down that, ``among`` these symbols, the remark holds of those, and say what has changed."""
        before = self._holding[remark]
        begun = [symbol for symbol in among if symbol in holds_of and symbol not in before]
        ended = [symbol for symbol in among if symbol in before and symbol not in holds_of]
        if begun:
            _log.log(remark.level, remark.begins, named(begun))
        if ended and remark.ends is not None:
            _log.info(remark.ends, named(ended))
        before.difference_update(ended)
        before.update(begun)

    def forget_all_but(self, symbols: Collection[str]) -> None:
        """Let no remark hold of other symbols any more, without a word."""
        for holding in self._holding.values():
            holding.intersection_update(symbols)

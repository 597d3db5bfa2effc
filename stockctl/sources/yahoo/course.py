"""How polling goes, told to a person: each change once, and every wait."""

import logging

from stockctl.sources.wording import named
from stockctl.sources.yahoo.faults import YahooFault
from stockctl.sources.yahoo.polling import Outcome

_log = logging.getLogger(__name__)


class Course:
    """Remembers what was said of the polls before."""

    def __init__(self) -> None:
        self.failed = 0
        """Polls in a row after which Yahoo had to be left alone."""
        self._partial: str | None = None

    def waits(self, fault: YahooFault, seconds: float) -> None:
        """Say why the next poll comes ``seconds`` later."""
        self.failed += 1
        _log.warning(
            "%s. %s. Next try in %.3g s (%d failed in a row).", fault.what, fault.means, seconds, self.failed
        )

    def goes_on(self, outcome: Outcome) -> None:
        """Say that polls succeed again, or in part."""
        if self.failed:
            _log.info("Yahoo answers again after %d failed polls.", self.failed)
        self.failed = 0
        before, fault = self._partial, outcome.fault
        self._partial = None if fault is None else fault.what
        if fault is not None and fault.what != before:
            _log.warning(
                "%s. %s. This holds of %s, asked for again at the next poll; the others go on.",
                fault.what,
                fault.means,
                named(outcome.unasked),
            )
        if fault is None and before is not None:
            _log.info("Yahoo answers for all symbols again.")


def tell_change(before: list[str], after: list[str]) -> None:
    """Say which symbols are asked for that were not, and the other way round."""
    old, new = frozenset(before), frozenset(after)
    added = [symbol for symbol in after if symbol not in old]
    removed = [symbol for symbol in before if symbol not in new]
    _log.info("Symbols changed: %s added, %s removed.", named(added) or "none", named(removed) or "none")

"""From sorted rows to quotes."""

from collections.abc import Collection, Iterable
from decimal import Decimal

from stockctl.market.quote import Quote
from stockctl.sources.replay.ordering import StagedRow
from stockctl.sources.replay.sessions import PreviousCloses


class QuoteMaker:
    """Makes quotes of rows that pass in order of time.

    Args:
        deriving: the numbers of the files whose rows get their previous close from the session before.
    """

    def __init__(self, deriving: Collection[int]) -> None:
        self._deriving = deriving
        self._closes = PreviousCloses()

    def quotes(self, rows: Iterable[StagedRow]) -> list[Quote]:
        """Return the quotes of the next rows."""
        make = self._known_close if not self._deriving else self._derived_close
        return [make(row) for row in rows]

    def _known_close(self, row: StagedRow) -> Quote:
        timestamp, _, symbol, price, previous_close, *rest = row
        return _quote(symbol, timestamp, Decimal(price), _decimal(previous_close), rest)

    def _derived_close(self, row: StagedRow) -> Quote:
        timestamp, file, symbol, price_text, previous_close, *rest = row
        price = Decimal(price_text)
        # Every row passes, because one of this file may be the session before one of another.
        derived = self._closes.pass_by(symbol, timestamp, price)
        close = derived if file in self._deriving else _decimal(previous_close)
        return _quote(symbol, timestamp, price, close, rest)


def _quote(
    symbol: str, timestamp: str, price: Decimal, previous_close: Decimal | None, rest: list[str | None]
) -> Quote:
    opening, high, low, volume = rest
    return Quote(
        symbol,
        timestamp,
        price,
        previous_close,
        _decimal(opening),
        _decimal(high),
        _decimal(low),
        None if volume is None else int(volume),
        "replay",
        None,
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)

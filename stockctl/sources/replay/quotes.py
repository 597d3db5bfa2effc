"""From staged lines to quotes."""

from collections.abc import Collection, Iterable
from decimal import Decimal

from stockctl.market.quote import Quote
from stockctl.sources.replay.sessions import PreviousCloses


class QuoteMaker:
    """Makes quotes of staged lines that pass in order.

    Args:
        deriving: the numbers of the files whose rows get their previous close from the session before.
    """

    def __init__(self, deriving: Collection[int]) -> None:
        self._deriving = deriving
        self._closes = PreviousCloses()

    def quotes(self, lines: Iterable[str]) -> list[Quote]:
        """Return the quotes of the next lines."""
        return [self._quote(line) for line in lines]

    def _quote(self, line: str) -> Quote:
        timestamp, _, file, symbol, price_text, close_text, opening, high, low, volume = line[:-1].split("\t")
        price = Decimal(price_text)
        close = Decimal(close_text) if close_text else None
        if self._deriving:
            # Every row passes, because one of this file may be the session before one of another.
            derived = self._closes.pass_by(symbol, timestamp, price)
            if int(file) in self._deriving:
                close = derived
        return Quote(
            symbol,
            timestamp,
            price,
            close,
            Decimal(opening) if opening else None,
            Decimal(high) if high else None,
            Decimal(low) if low else None,
            int(volume) if volume else None,
            "replay",
            None,
        )

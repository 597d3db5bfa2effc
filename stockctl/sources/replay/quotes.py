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
        return [self._quote(*row) for row in rows]

    def _quote(
        self,
        timestamp: str,
        file: int,
        symbol: str,
        price_text: str,
        previous_close: str | None,
        opening: str | None,
        high: str | None,
        low: str | None,
        volume: str | None,
    ) -> Quote:
        price = Decimal(price_text)
        close = None if previous_close is None else Decimal(previous_close)
        if self._deriving:
            # Every row passes, because one of this file may be the session before one of another.
            derived = self._closes.pass_by(symbol, timestamp, price)
            if file in self._deriving:
                close = derived
        return Quote(
            symbol,
            timestamp,
            price,
            close,
            None if opening is None else Decimal(opening),
            None if high is None else Decimal(high),
            None if low is None else Decimal(low),
            None if volume is None else int(volume),
            "replay",
            None,
        )

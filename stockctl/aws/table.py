"""Stored quotes in DynamoDB, for the stages."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count as counted
from itertools import islice
from typing import Any

from stockctl.aws.backoff import Backoff
from stockctl.aws.clients import Client
from stockctl.aws.items import quote_item, read_precedent
from stockctl.aws.parallel import Parallel
from stockctl.aws.query import Range, Table
from stockctl.errors import AwsError
from stockctl.market.stored_quote import Precedent, StoredQuote

BATCH_ITEMS = 25
"""BatchWriteItem takes no more."""
# How many quotes a late run is expected to lie among: a batch that comes again is read in one page.
_LATE_RUN = 100


class DynamoQuoteTable:
    """The table of quotes: partition key ``symbol``, sort key ``timestamp``.

    Args:
        client: of DynamoDB.
        name: of the table.
        parallel: the crew that reads several symbols at once.
        backoff: how often items that DynamoDB leaves unwritten are sent again.
        ttl: how long a quote is kept; None means for ever.
        clock: tells the present as an aware datetime.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        parallel: Parallel,
        backoff: Backoff,
        *,
        ttl: timedelta | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._name = name
        self._precedents = Table(client, name, consistent=True, attributes=Precedent._fields)
        self._parallel = parallel
        self._backoff = backoff
        self._ttl = ttl
        self._clock = clock

    def newest(self, symbols: Collection[str], count: int) -> Mapping[str, Sequence[Precedent]]:
        """Return, for each symbol that has any, its ``count`` newest quotes, oldest first."""

        def read(symbol: str) -> list[Precedent]:
            within = Range("symbol", symbol, "timestamp")
            items = islice(self._precedents.items(within, newest_first=True, page=count), count)
            return [read_precedent(item) for item in items][::-1]

        named = list(symbols)
        found = zip(named, self._parallel.map(read, named), strict=True)
        return {symbol: precedents for symbol, precedents in found if precedents}

    def around(self, symbol: str, first: str, last: str, before: int) -> Sequence[Precedent]:
        """Return the symbol's quotes from ``first`` to ``last`` and ``before`` more ahead, oldest first."""
        found: list[Precedent] = []
        ahead = 0
        within = Range("symbol", symbol, "timestamp", last=last)
        for item in self._precedents.items(within, newest_first=True, page=before + _LATE_RUN):
            precedent = read_precedent(item)
            ahead += precedent.timestamp < first
            if ahead > before:
                break
            found.append(precedent)
            if ahead and ahead == before:
                break
        return found[::-1]

    def insert(self, quotes: Sequence[StoredQuote]) -> None:
        """Write quotes that are not there yet; all of them, or raise.

        Raises:
            AwsError: DynamoDB left some unwritten, try after try.
        """
        expires_at = None if self._ttl is None else int((self._clock() + self._ttl).timestamp())
        puts = [{"PutRequest": {"Item": quote_item(quote, expires_at)}} for quote in quotes]
        for start in range(0, len(puts), BATCH_ITEMS):
            self._write(puts[start : start + BATCH_ITEMS])

    def _write(self, puts: Sequence[Mapping[str, Any]]) -> None:
        for tries in counted(1):
            answer = self._client.batch_write_item(RequestItems={self._name: puts})
            puts = answer.get("UnprocessedItems", {}).get(self._name, [])
            if not puts:
                return
            if not self._backoff.pause(tries):
                raise AwsError(
                    f"DynamoDB left {len(puts)} quotes unwritten in {self._name} in {tries} tries.",
                    "The table is throttled; the batch comes again.",
                )

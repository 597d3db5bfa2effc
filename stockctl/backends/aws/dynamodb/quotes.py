"""The DynamoDB table of quotes, as the ingest function uses it: read previous quotes, write new ones."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count as count_from
from itertools import islice
from typing import Any

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.dynamodb.items import quote_item, read_prior_quote
from stockctl.backends.aws.dynamodb.partitions import KeyRange, PartitionedTable
from stockctl.backends.aws.parallel import Parallel
from stockctl.errors import AwsError
from stockctl.market.quote import EnrichedQuote, PriorQuote
from stockctl.retry import Backoff

BATCH_ITEMS = 25
"""Maximum number of items in one BatchWriteItem call."""
# Expected number of quotes between the first and the last of a late batch, so that one page holds them.
_LATE_BATCH = 100


class DynamoQuoteTable:
    """The table of quotes: partition key ``symbol``, sort key ``timestamp``.

    Args:
        client: the client of DynamoDB.
        name: the name of the table.
        parallel: thread pool to read several symbols at once.
        backoff: retries for items that DynamoDB did not write.
        ttl: the time to keep a quote; None means for ever.
        clock: returns the current time as an aware datetime.
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
        self._prior_quotes = PartitionedTable(client, name, consistent=True, attributes=PriorQuote._fields)
        self._parallel = parallel
        self._backoff = backoff
        self._ttl = ttl
        self._clock = clock

    def newest(self, symbols: Collection[str], count: int) -> Mapping[str, Sequence[PriorQuote]]:
        """Return, for each symbol that has any, its ``count`` newest quotes, oldest first."""

        def read(symbol: str) -> list[PriorQuote]:
            keys = KeyRange("symbol", symbol, "timestamp")
            items = islice(self._prior_quotes.items(keys, newest_first=True, page=count), count)
            return [read_prior_quote(item) for item in items][::-1]

        ordered = list(symbols)
        results = zip(ordered, self._parallel.map(read, ordered), strict=True)
        return {symbol: quotes for symbol, quotes in results if quotes}

    def around(self, symbol: str, first: str, last: str, before: int) -> Sequence[PriorQuote]:
        """Return the quotes from ``first`` to ``last`` and up to ``before`` earlier ones, oldest first."""
        newest_first: list[PriorQuote] = []
        earlier = 0
        keys = KeyRange("symbol", symbol, "timestamp", last=last)
        for item in self._prior_quotes.items(keys, newest_first=True, page=before + _LATE_BATCH):
            quote = read_prior_quote(item)
            earlier += quote.timestamp < first
            if earlier > before:
                break
            newest_first.append(quote)
            if earlier and earlier == before:
                break
        return newest_first[::-1]

    def insert(self, quotes: Sequence[EnrichedQuote]) -> None:
        """Write all the quotes, or raise an error. None of them may be stored yet.

        Raises:
            AwsError: DynamoDB did not write some of them, even after several attempts.
        """
        expires_at = None if self._ttl is None else int((self._clock() + self._ttl).timestamp())
        puts = [{"PutRequest": {"Item": quote_item(quote, expires_at)}} for quote in quotes]
        for start in range(0, len(puts), BATCH_ITEMS):
            self._write(puts[start : start + BATCH_ITEMS])

    def _write(self, puts: Sequence[Mapping[str, Any]]) -> None:
        for attempts in count_from(1):
            response = self._client.batch_write_item(RequestItems={self._name: puts})
            puts = response.get("UnprocessedItems", {}).get(self._name, [])
            if not puts:
                return
            if not self._backoff.pause(attempts):
                raise AwsError(
                    f"DynamoDB did not write {len(puts)} quotes to {self._name} (attempts: {attempts}).",
                    "The table is throttled; Lambda delivers the batch again.",
                )

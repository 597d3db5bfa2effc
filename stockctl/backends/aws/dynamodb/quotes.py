"""The DynamoDB table of stored quotes: history for the ingest stage, conditional writes, queries."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count as counted
from itertools import islice
from typing import Any, NamedTuple

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.dynamodb.items import Item, quote_item, read_prior_quote, read_quote
from stockctl.backends.aws.errors import translate_errors
from stockctl.backends.aws.parallel import Parallel
from stockctl.errors import AwsError
from stockctl.market.quote import EnrichedQuote, PriorQuote
from stockctl.retry import Backoff


class Range(NamedTuple):
    """A run of sort keys within one partition; both ends are part of it, None is open."""

    partition_key: str
    partition: str
    sort_key: str
    first: str | None = None
    last: str | None = None


class Table:
    """A DynamoDB table that is read by partition.

    Args:
        client: of DynamoDB.
        name: of the table.
        index: the index to read instead of the table itself.
        consistent: whether every write that has ended is seen.
        attributes: what to read of an item; empty means all.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        *,
        index: str | None = None,
        consistent: bool = False,
        attributes: Sequence[str] = (),
    ) -> None:
        self._client = client
        self._names = {f"#a{number}": attribute for number, attribute in enumerate(attributes)}
        self._request: dict[str, object] = {"TableName": name}
        if index is not None:
            self._request["IndexName"] = index
        if consistent:
            self._request["ConsistentRead"] = True
        if attributes:
            self._request["ProjectionExpression"] = ", ".join(self._names)

    def items(self, within: Range, *, newest_first: bool = False, page: int = 0) -> Iterator[Item]:
        """Yield the items of a run in the order of their sort keys.

        Args:
            within: the run.
            newest_first: whether to begin at its end.
            page: how many items the first call reads at most; 0 and every later call: as many as fit.
        """
        request = self._request | _condition(within, self._names) | {"ScanIndexForward": not newest_first}
        limit: Mapping[str, object] = {"Limit": page} if page else {}
        while True:
            answer = self._client.query(**request, **limit)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
            limit = {}


def _condition(within: Range, names: Mapping[str, str]) -> dict[str, object]:
    values = {":p": {"S": within.partition}}
    condition = "#p = :p"
    if within.first is not None:
        values[":first"] = {"S": within.first}
    if within.last is not None:
        values[":last"] = {"S": within.last}
    if within.first is not None and within.last is not None:
        condition += " AND #s BETWEEN :first AND :last"
    elif within.first is not None:
        condition += " AND #s >= :first"
    elif within.last is not None:
        condition += " AND #s <= :last"
    sort = {"#s": within.sort_key} if len(values) > 1 else {}
    return {
        "KeyConditionExpression": condition,
        "ExpressionAttributeNames": {**names, "#p": within.partition_key, **sort},
        "ExpressionAttributeValues": values,
    }


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
        self._precedents = Table(client, name, consistent=True, attributes=PriorQuote._fields)
        self._parallel = parallel
        self._backoff = backoff
        self._ttl = ttl
        self._clock = clock

    def newest(self, symbols: Collection[str], count: int) -> Mapping[str, Sequence[PriorQuote]]:
        """Return, for each symbol that has any, its ``count`` newest quotes, oldest first."""

        def read(symbol: str) -> list[PriorQuote]:
            within = Range("symbol", symbol, "timestamp")
            items = islice(self._precedents.items(within, newest_first=True, page=count), count)
            return [read_prior_quote(item) for item in items][::-1]

        named = list(symbols)
        found = zip(named, self._parallel.map(read, named), strict=True)
        return {symbol: precedents for symbol, precedents in found if precedents}

    def around(self, symbol: str, first: str, last: str, before: int) -> Sequence[PriorQuote]:
        """Return the symbol's quotes from ``first`` to ``last`` and ``before`` more ahead, oldest first."""
        found: list[PriorQuote] = []
        ahead = 0
        within = Range("symbol", symbol, "timestamp", last=last)
        for item in self._precedents.items(within, newest_first=True, page=before + _LATE_RUN):
            precedent = read_prior_quote(item)
            ahead += precedent.timestamp < first
            if ahead > before:
                break
            found.append(precedent)
            if ahead and ahead == before:
                break
        return found[::-1]

    def insert(self, quotes: Sequence[EnrichedQuote]) -> None:
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


# Greater than every timestamp.
_AFTER_ALL = "~"


class DynamoQuoteReader:
    """The table of quotes, read without writing.

    Args:
        client: of DynamoDB.
        name: of the table.
        parallel: the crew that reads several symbols at once.
    """

    def __init__(self, client: Client, name: str, parallel: Parallel) -> None:
        self._client = client
        self._name = name
        self._table = Table(client, name)
        self._parallel = parallel

    @translate_errors()
    def latest(self, symbols: Collection[str] | None = None) -> Sequence[EnrichedQuote]:
        """Return the newest quote of each symbol (of all symbols without ``symbols``), by symbol."""
        wanted = sorted(self._symbols() if symbols is None else set(symbols))
        found = self._parallel.map(lambda symbol: self._newest(symbol, 1), wanted)
        return [quote for quotes in found for quote in quotes]

    @translate_errors()
    def history(self, symbol: str, *, since: str | None = None, limit: int = 0) -> Sequence[EnrichedQuote]:
        """Return the symbol's quotes from ``since`` on, the newest ``limit`` (0 = all), oldest first."""
        return self._newest(symbol, limit, since)

    def _newest(self, symbol: str, limit: int, since: str | None = None) -> list[EnrichedQuote]:
        within = Range("symbol", symbol, "timestamp", first=since)
        items = self._table.items(within, newest_first=True, page=limit)
        return [read_quote(item) for item in islice(items, limit or None)][::-1]

    def _symbols(self) -> Iterator[str]:
        """Yield each symbol: a scan that jumps from one partition to the next, one small read a symbol."""
        start: dict[str, object] = {}
        while True:
            answer = self._client.scan(
                TableName=self._name,
                Limit=1,
                ProjectionExpression="#symbol",
                ExpressionAttributeNames={"#symbol": "symbol"},
                **start,
            )
            if not answer["Items"]:
                return
            symbol = answer["Items"][0]["symbol"]
            yield symbol["S"]
            start = {"ExclusiveStartKey": {"symbol": symbol, "timestamp": {"S": _AFTER_ALL}}}

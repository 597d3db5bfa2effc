"""Stored quotes in DynamoDB, as the commands show them."""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from stockctl.aws.clients import Client
from stockctl.aws.faults import explained
from stockctl.aws.items import read_quote
from stockctl.aws.parallel import Parallel
from stockctl.aws.query import Range, Table
from stockctl.market.stored_quote import StoredQuote

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

    @explained()
    def latest(self, symbols: Collection[str] | None = None) -> Sequence[StoredQuote]:
        """Return the newest quote of each symbol (of all symbols without ``symbols``), by symbol."""
        wanted = sorted(self._symbols() if symbols is None else set(symbols))
        found = self._parallel.map(lambda symbol: self._newest(symbol, 1), wanted)
        return [quote for quotes in found for quote in quotes]

    @explained()
    def history(self, symbol: str, *, since: str | None = None, limit: int = 0) -> Sequence[StoredQuote]:
        """Return the symbol's quotes from ``since`` on, the newest ``limit`` (0 = all), oldest first."""
        return self._newest(symbol, limit, since)

    def _newest(self, symbol: str, limit: int, since: str | None = None) -> list[StoredQuote]:
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

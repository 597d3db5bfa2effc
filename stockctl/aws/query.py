"""Items of one partition of a table or an index, page by page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from stockctl.aws.clients import Client
from stockctl.aws.items import Item


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

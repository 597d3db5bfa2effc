"""Reads a range of items from one partition of a DynamoDB table or index."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.dynamodb.items import Item


class KeyRange(NamedTuple):
    """A range of sort keys within one partition; it includes both ends, None means no limit."""

    partition_key: str
    partition: str
    sort_key: str
    first: str | None = None
    last: str | None = None


class PartitionedTable:
    """A DynamoDB table that is read by partition.

    Args:
        client: the client of DynamoDB.
        name: the name of the table.
        index: the index to read instead of the table.
        consistent: whether to use strongly consistent reads.
        attributes: attributes to read; empty means all.
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

    def items(self, keys: KeyRange, *, newest_first: bool = False, page: int = 0) -> Iterator[Item]:
        """Yield the items of a range in the order of their sort keys.

        Args:
            keys: the range.
            newest_first: whether to read from the end.
            page: maximum number of items that the first call reads; 0 means no limit.
        """
        request = self._request | _condition(keys, self._names) | {"ScanIndexForward": not newest_first}
        limit: Mapping[str, object] = {"Limit": page} if page else {}
        while True:
            response = self._client.query(**request, **limit)
            yield from response["Items"]
            if "LastEvaluatedKey" not in response:
                return
            request["ExclusiveStartKey"] = response["LastEvaluatedKey"]
            limit = {}


def _condition(keys: KeyRange, names: Mapping[str, str]) -> dict[str, object]:
    values = {":p": {"S": keys.partition}}
    condition = "#p = :p"
    if keys.first is not None:
        values[":first"] = {"S": keys.first}
    if keys.last is not None:
        values[":last"] = {"S": keys.last}
    if keys.first is not None and keys.last is not None:
        condition += " AND #s BETWEEN :first AND :last"
    elif keys.first is not None:
        condition += " AND #s >= :first"
    elif keys.last is not None:
        condition += " AND #s <= :last"
    sort = {"#s": keys.sort_key} if len(values) > 1 else {}
    return {
        "KeyConditionExpression": condition,
        "ExpressionAttributeNames": {**names, "#p": keys.partition_key, **sort},
        "ExpressionAttributeValues": values,
    }

"""S3, DynamoDB and SNS in memory, behind the real clients: requests are checked and counted, faults chosen.

Only what the two functions call is there. It stands where a client would open a connection, so that
parameters are validated and errors raised by botocore itself, and botocore's own retries are left out.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ReadTimeoutError

from support.aws.lambda_model import Killed

Key = tuple[str, str]
Chooser = Callable[[str, str], str | None]

REFUSED = "refused"
"""The call has no effect and is answered with an error that passes."""
LOST = "lost"
"""The call has its effect, the answer never arrives."""
PARTIAL = "partial"
"""BatchWriteItem leaves all but the first item unprocessed; other calls are not affected."""
KILLED_BEFORE = "killed before"
KILLED_AFTER = "killed after"
"""The process dies just before or just after the call has its effect."""
FAULTS = (REFUSED, LOST, PARTIAL, KILLED_BEFORE, KILLED_AFTER)


class Memory:
    """What an account holds, and what was asked of it.

    ``choose`` is asked before each call, with its operation and what it is about, for the fault to
    commit, or None.
    """

    def __init__(self, choose: Chooser = lambda operation, about: None) -> None:
        self.objects: dict[str, bytes] = {}
        self.quotes: dict[Key, dict[str, Any]] = {}
        self.inserted: list[dict[str, Any]] = []
        self.alerts: dict[str, dict[str, Any]] = {}
        self.published: list[dict[str, Any]] = []
        self.calls: Counter[str] = Counter()
        self.choose = choose
        self.dead = False
        self._lock = threading.Lock()
        self._acts = {
            "PutObject": self._put_object,
            "Query": self._query,
            "BatchWriteItem": self._batch_write_item,
            "PutItem": self._put_item,
            "UpdateItem": self._update_item,
            "Publish": self._publish,
        }

    @contextmanager
    def behind(self, *clients: Any) -> Iterator[None]:
        """Answer the calls of ``clients``."""
        for client in clients:
            client.meta.events.register("before-parameter-build", _remember, unique_id="memory-remember")
            client.meta.events.register("before-call", self._answer, unique_id="memory-answer")
        try:
            yield
        finally:
            for client in clients:
                client.meta.events.unregister("before-parameter-build", unique_id="memory-remember")
                client.meta.events.unregister("before-call", unique_id="memory-answer")

    def _answer(self, model: Any, context: dict[str, Any], **_: object) -> tuple[Any, dict[str, Any]]:
        parameters = context["parameters"]
        with self._lock:
            if self.dead:
                raise Killed
            self.calls[f"{model.service_model.service_name}:{model.name}"] += 1
            fault = self.choose(model.name, _about(parameters))
            return self._commit(model.name, parameters, fault)

    def _commit(self, name: str, parameters: dict[str, Any], fault: str | None) -> tuple[Any, dict[str, Any]]:
        if fault == REFUSED:
            return _error(400, "ThrottlingException", "Rate exceeded")
        if fault == KILLED_BEFORE:
            self.dead = True
            raise Killed
        if fault == PARTIAL and name == "BatchWriteItem":
            return self._batch_write_item(parameters, only=1)
        answer = self._acts[name](parameters)
        if fault == KILLED_AFTER:
            self.dead = True
            raise Killed
        if fault == LOST:
            raise ReadTimeoutError(endpoint_url="https://aws.test")
        return answer

    def _put_object(self, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        assert parameters["IfNoneMatch"] == "*"
        if parameters["Key"] in self.objects:
            return _error(412, "PreconditionFailed", "At least one of the pre-conditions did not hold")
        self.objects[parameters["Key"]] = parameters["Body"].read()
        return _ok()

    def _query(self, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        assert parameters["ConsistentRead"]
        values = parameters["ExpressionAttributeValues"]
        last = values.get(":last", {"S": "~"})["S"]
        names = [
            name for alias, name in parameters["ExpressionAttributeNames"].items() if alias.startswith("#a")
        ]
        keys = sorted(key for key in self.quotes if key[0] == values[":p"]["S"] and key[1] <= last)
        if not parameters["ScanIndexForward"]:
            keys.reverse()
        if "ExclusiveStartKey" in parameters:
            start = parameters["ExclusiveStartKey"]["timestamp"]["S"]
            keys = [key for key in keys if key[1] < start]
        limit = parameters.get("Limit", len(keys))
        items = [
            {name: value for name, value in self.quotes[key].items() if name in names} for key in keys[:limit]
        ]
        more = {}
        if limit and len(keys) >= limit and "Limit" in parameters:
            symbol, timestamp = keys[limit - 1]
            more = {"LastEvaluatedKey": {"symbol": {"S": symbol}, "timestamp": {"S": timestamp}}}
        return _ok(Items=items, Count=len(items), **more)

    def _batch_write_item(
        self, parameters: dict[str, Any], only: int | None = None
    ) -> tuple[Any, dict[str, Any]]:
        ((table, requests),) = parameters["RequestItems"].items()
        items = [request["PutRequest"]["Item"] for request in requests]
        assert 1 <= len(items) <= 25
        assert len({(item["symbol"]["S"], item["timestamp"]["S"]) for item in items}) == len(items)
        for item in items[:only]:
            self._store(item)
        left = requests[only:] if only is not None else []
        return _ok(UnprocessedItems={table: left} if left else {})

    def _store(self, item: dict[str, Any]) -> None:
        key = item["symbol"]["S"], item["timestamp"]["S"]
        before = self.quotes.get(key)
        self.quotes[key] = item
        if before != item:
            self.inserted.append(
                {
                    "eventName": "INSERT" if before is None else "MODIFY",
                    "dynamodb": {
                        "Keys": {"symbol": item["symbol"], "timestamp": item["timestamp"]},
                        "NewImage": json.loads(json.dumps(item)),
                        "SequenceNumber": f"{len(self.inserted) + 1:021}",
                    },
                }
            )

    def _put_item(self, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        assert parameters["ConditionExpression"] == "attribute_not_exists(alert_id)"
        alert_id = parameters["Item"]["alert_id"]["S"]
        if alert_id in self.alerts:
            status, answer = _error(400, "ConditionalCheckFailedException", "The conditional request failed")
            return status, answer | {"Item": self.alerts[alert_id]}
        self.alerts[alert_id] = dict(parameters["Item"])
        return _ok()

    def _update_item(self, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        assert parameters["UpdateExpression"] == "SET published_at = :time"
        alert = self.alerts[parameters["Key"]["alert_id"]["S"]]
        alert["published_at"] = parameters["ExpressionAttributeValues"][":time"]
        return _ok()

    def _publish(self, parameters: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        self.published.append(parameters)
        return _ok(MessageId=str(len(self.published)))


def _remember(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    context["parameters"] = params


def _about(parameters: dict[str, Any]) -> str:
    """Return what makes a call recognisable when it is made again."""
    if "RequestItems" in parameters:
        ((_, requests),) = parameters["RequestItems"].items()
        item = requests[0]["PutRequest"]["Item"]
        return f"{item['symbol']['S']} {item['timestamp']['S']}"
    if "ExpressionAttributeValues" in parameters and "KeyConditionExpression" in parameters:
        return str(parameters["ExpressionAttributeValues"][":p"]["S"])
    for name in ("Item", "Key"):
        if isinstance(parameters.get(name), dict):
            return str(parameters[name]["alert_id"]["S"])
    return str(parameters.get("Key") or json.loads(parameters["Message"])["alert_id"])


def _ok(**answer: Any) -> tuple[Any, dict[str, Any]]:
    return SimpleNamespace(status_code=200), answer | {"ResponseMetadata": {"HTTPStatusCode": 200}}


def _error(status: int, code: str, message: str) -> tuple[Any, dict[str, Any]]:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return SimpleNamespace(status_code=status), answer

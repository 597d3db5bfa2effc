"""S3 objects that are written once: the raw archive and the quarantine."""

from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

from botocore.exceptions import ClientError

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.errors import error_code
from stockctl.backends.aws.parallel import Parallel
from stockctl.market.timestamp import object_name
from stockctl.pipeline.ports import RawObject, Rejection
from stockctl.retry import Backoff


class NewObject(NamedTuple):
    """An object to write."""

    key: str
    body: bytes


class WriteOnceBucket:
    """A bucket whose objects are never overwritten.

    Args:
        client: the client of S3.
        bucket: the name of the bucket.
        owner: the account that must own the bucket; None if it is unknown.
        parallel: thread pool to write several objects at once.
        backoff: retries of a write that conflicts with another one of the same key.
    """

    def __init__(
        self, client: Client, bucket: str, owner: str | None, parallel: Parallel, backoff: Backoff
    ) -> None:
        self._client = client
        self._target = {"Bucket": bucket} | ({"ExpectedBucketOwner": owner} if owner else {})
        self._parallel = parallel
        self._backoff = backoff

    def put(self, objects: Sequence[NewObject]) -> None:
        """Write all the objects that do not exist, or raise an error. A repeated key is written once."""
        self._parallel.map(self._put, list({item.key: item for item in objects}.values()))

    def _put(self, item: NewObject) -> None:
        for attempts in count(1):
            try:
                self._client.put_object(
                    **self._target,
                    Key=item.key,
                    Body=item.body,
                    ContentType="application/json",
                    IfNoneMatch="*",
                )
            except ClientError as error:
                code = error_code(error)
                if code == "PreconditionFailed":
                    return
                if code != "ConditionalRequestConflict" or not self._backoff.pause(attempts):
                    raise
            else:
                return


class S3Archive:
    """The raw archive: one object per quote, ``raw-data/{symbol}/{timestamp}.json``, never overwritten."""

    def __init__(self, bucket: WriteOnceBucket) -> None:
        self._bucket = bucket

    def put(self, objects: Sequence[RawObject]) -> None:
        """Write the objects that do not exist."""
        self._bucket.put(
            [
                NewObject(f"raw-data/{symbol}/{object_name(timestamp)}.json", body)
                for symbol, timestamp, body in objects
            ]
        )


class S3Quarantine:
    """The quarantine: one object per record, ``quarantine/{key}.json``, never overwritten."""

    def __init__(self, bucket: WriteOnceBucket) -> None:
        self._bucket = bucket

    def put(self, rejections: Sequence[Rejection]) -> None:
        """Write the rejections that do not exist."""
        self._bucket.put(
            [NewObject(f"quarantine/{rejection.key}.json", rejection.document) for rejection in rejections]
        )

"""Objects in S3 that are written once: the raw archive and the quarantine."""

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
    """An object that is to be in the bucket."""

    key: str
    body: bytes


class WriteOnceBucket:
    """A bucket in which an object, once written, stays as it is.

    Args:
        client: of S3.
        bucket: its name.
        owner: the account that it has to belong to; None when that is not known.
        parallel: the crew that writes several objects at once.
        backoff: how often a write that met another write of the same key is tried.
    """

    def __init__(
        self, client: Client, bucket: str, owner: str | None, parallel: Parallel, backoff: Backoff
    ) -> None:
        self._client = client
        self._target = {"Bucket": bucket} | ({"ExpectedBucketOwner": owner} if owner else {})
        self._parallel = parallel
        self._backoff = backoff

    def put(self, objects: Sequence[NewObject]) -> None:
        """Write the objects whose keys are free; all of them, or raise."""
        self._parallel.map(self._put, objects)

    def _put(self, new: NewObject) -> None:
        for tries in count(1):
            try:
                self._client.put_object(
                    **self._target,
                    Key=new.key,
                    Body=new.body,
                    ContentType="application/json",
                    IfNoneMatch="*",
                )
            except ClientError as error:
                code = error_code(error)
                if code == "PreconditionFailed":
                    return
                if code != "ConditionalRequestConflict" or not self._backoff.pause(tries):
                    raise
            else:
                return


class S3Archive:
    """``raw-data/{symbol}/{timestamp}.json``, one quote an object, never overwritten."""

    def __init__(self, bucket: WriteOnceBucket) -> None:
        self._bucket = bucket

    def put(self, objects: Sequence[RawObject]) -> None:
        """Write the objects that are not there yet."""
        self._bucket.put(
            [
                NewObject(f"raw-data/{symbol}/{object_name(timestamp)}.json", body)
                for symbol, timestamp, body in objects
            ]
        )


class S3Quarantine:
    """``quarantine/{key}.json``, one record an object, never overwritten."""

    def __init__(self, bucket: WriteOnceBucket) -> None:
        self._bucket = bucket

    def put(self, rejections: Sequence[Rejection]) -> None:
        """Keep the rejections that are not there yet."""
        self._bucket.put(
            [NewObject(f"quarantine/{rejection.key}.json", rejection.document) for rejection in rejections]
        )

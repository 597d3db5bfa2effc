"""The raw archive in S3."""

from collections.abc import Sequence

from stockctl.aws.objects import NewObject, OnceBucket
from stockctl.market.timestamp import object_name
from stockctl.pipeline.ports import RawObject


class S3Archive:
    """``raw-data/{symbol}/{timestamp}.json``, one quote an object, never overwritten."""

    def __init__(self, bucket: OnceBucket) -> None:
        self._bucket = bucket

    def put(self, objects: Sequence[RawObject]) -> None:
        """Write the objects that are not there yet."""
        self._bucket.put(
            [
                NewObject(f"raw-data/{symbol}/{object_name(timestamp)}.json", body)
                for symbol, timestamp, body in objects
            ]
        )

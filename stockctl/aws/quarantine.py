"""Records that could not be read, in S3."""

from collections.abc import Sequence

from stockctl.aws.objects import NewObject, OnceBucket
from stockctl.pipeline.ports import Rejection


class S3Quarantine:
    """``quarantine/{key}.json``, one record an object, never overwritten."""

    def __init__(self, bucket: OnceBucket) -> None:
        self._bucket = bucket

    def put(self, rejections: Sequence[Rejection]) -> None:
        """Keep the rejections that are not there yet."""
        self._bucket.put(
            [NewObject(f"quarantine/{rejection.key}.json", rejection.document) for rejection in rejections]
        )

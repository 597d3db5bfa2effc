"""Counting and deleting the objects of a bucket, with all their versions."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from stockctl.aws.clients import Client
from stockctl.aws.faults import explained
from stockctl.aws.parallel import Parallel
from stockctl.errors import AwsError

_CALLS_AT_ONCE = 8


def count(s3: Client, bucket: str, account: str, prefix: str = "") -> int:
    """Return how many objects lie below ``prefix``, old versions and deletion markers too.

    Raises:
        AwsError: S3 cannot be asked.
    """
    return sum(len(page) for page in _pages(s3, bucket, account, prefix))


def empty(s3: Client, bucket: str, account: str, prefix: str, deleted: Callable[[int], None]) -> int:
    """Delete all below ``prefix`` and return how much that was; ``deleted`` hears of each thousand.

    Raises:
        AwsError: S3 refuses to delete something; the message names the first.
    """
    total = 0

    def delete(page: list[Mapping[str, str]]) -> int:
        with explained():
            answer = s3.delete_objects(
                Bucket=bucket, ExpectedBucketOwner=account, Delete={"Objects": page, "Quiet": True}
            )
        _check(bucket, answer.get("Errors", []))
        return len(page)

    pages = _pages(s3, bucket, account, prefix)
    parallel = Parallel(_CALLS_AT_ONCE)
    try:
        while group := list(islice(pages, _CALLS_AT_ONCE)):
            for number in parallel.map(delete, group):
                total += number
                deleted(number)
    finally:
        parallel.close()
    return total


def _pages(s3: Client, bucket: str, account: str, prefix: str) -> Iterator[list[Mapping[str, str]]]:
    """Yield the objects by the thousand, which is as many as one call deletes."""
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, ExpectedBucketOwner=account, Prefix=prefix
    )
    with explained():
        for page in pages:
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            if found:
                yield [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]


def _check(bucket: str, errors: list[Mapping[str, Any]]) -> None:
    if errors:
        first = errors[0]
        raise AwsError(
            f"{len(errors)} objects of {bucket} could not be deleted, the first of them {first.get('Key')}: "
            f"{first.get('Message') or first.get('Code')}.",
            "Have s3:DeleteObject and s3:DeleteObjectVersion allowed on it, and run the command again.",
        )

"""The regions that there are, as far as botocore knows, and the one that is set."""

from collections.abc import Mapping
from typing import Any

from botocore.loaders import create_loader

from stockctl.aws.clients import Connection


def known_regions() -> list[str]:
    """Return the names of all regions."""
    return sorted(region for regions in _partitions().values() for region in regions)


def partition_of(region: str) -> str:
    """Return the partition of a region; ``aws`` for one that is not known."""
    found = (partition for partition, regions in _partitions().items() if region in regions)
    return next(found, "aws")


def region_of_chain() -> str | None:
    """Return the region that boto3's own chain gives, when it gives one.

    Raises:
        AwsError: the shared configuration files cannot be read, or their profile does not exist.
    """
    return Connection().region


def _partitions() -> Mapping[str, list[str]]:
    data: dict[str, Any] = create_loader().load_data("partitions")
    return {
        partition["id"]: [name for name in partition["regions"] if not name.endswith("-global")]
        for partition in data["partitions"]
    }

"""The command line's connection to AWS: clients whose errors are explained, identity, regions."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore.loaders import create_loader

from stockctl.backends.aws.client import ATTEMPTS, Client, ClientFactory
from stockctl.backends.aws.error_messages import annotate, translate_errors
from stockctl.errors import AwsError


class Connection(ClientFactory):
    """Creates clients whose error responses name service, region and resource.

    See ``ClientFactory`` for the arguments.

    Raises:
        AwsError: the profile does not exist, ``endpoint_url`` is not a URL, or the shared configuration
            files cannot be read.
    """

    @translate_errors()
    def __init__(
        self,
        region: str | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        *,
        attempts: int = ATTEMPTS,
    ) -> None:
        if endpoint_url is not None and not _is_url(endpoint_url):
            raise AwsError(
                f"aws.endpoint_url {endpoint_url!r} is not a URL.",
                "Set it to a URL such as http://127.0.0.1:4566, or remove it to use AWS itself.",
            )
        super().__init__(region, profile, endpoint_url, attempts=attempts)

    @property
    def region(self) -> str | None:
        """The region; None if none is set."""
        region: str | None = self.session.region_name
        return region

    @translate_errors()
    def client(self, service: str) -> Client:
        """Return the client of ``service``, always the same one.

        Raises:
            AwsError: no region is set, or it is not a valid region.
        """
        return super().client(service)

    def _create(self, service: str) -> Client:
        client = super()._create(service)
        annotate(client)
        return client


class Identity(NamedTuple):
    """The account, the region and the ARN of the caller."""

    account: str
    region: str
    partition: str
    arn: str


def identify(connection: Connection) -> Identity:
    """Return the identity that the credentials belong to.

    Raises:
        AwsError: there are no valid credentials, or no region is set.
    """
    sts = connection.client("sts")
    if connection.region is None:
        raise AwsError("No AWS region is set.", 'Set aws.region in the configuration (such as "eu-west-1").')
    with translate_errors():
        response = sts.get_caller_identity()
    arn = str(response["Arn"])
    return Identity(str(response["Account"]), connection.region, arn.split(":")[1], arn)


def known_regions() -> list[str]:
    """Return the names of all regions."""
    return sorted(region for regions in _partitions().values() for region in regions)


def partition_of(region: str) -> str:
    """Return the partition of a region; ``aws`` for an unknown region."""
    matches = (partition for partition, regions in _partitions().items() if region in regions)
    return next(matches, "aws")


def default_region() -> str | None:
    """Return the region from boto3's own settings (environment, profile), or None.

    Raises:
        AwsError: the shared configuration files cannot be read, or their profile does not exist.
    """
    return Connection().region


def _is_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _partitions() -> Mapping[str, list[str]]:
    data: dict[str, Any] = create_loader().load_data("partitions")
    return {
        partition["id"]: [name for name in partition["regions"] if not name.endswith("-global")]
        for partition in data["partitions"]
    }

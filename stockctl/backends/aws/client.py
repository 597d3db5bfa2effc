"""boto3 clients with the settings they need, the caller's identity, and regions."""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.loaders import create_loader

from stockctl import __version__
from stockctl.backends.aws.errors import annotate, translate_errors
from stockctl.errors import AwsError

WORKERS = 16
"""Maximum concurrent calls; each client keeps that many connections open."""

ATTEMPTS = 4
"""Attempts of one call, the first included, if AWS throttles it, fails or does not answer."""

# These services take thousands of records per call, which only our own code builds. If botocore checked the
# type of each field, a call would take a third longer.
_UNVALIDATED_SERVICES = frozenset({"kinesis", "dynamodb"})

Client: TypeAlias = Any
"""A boto3 client; botocore creates its methods at run time, so they have no static types."""


class Connection:
    """Creates boto3 clients for one account and region; boto3's own settings apply where none is given.

    Args:
        region: such as ``eu-west-1``.
        profile: name of a profile in the shared configuration files.
        endpoint_url: an AWS-compatible endpoint that all clients use instead of AWS.
        attempts: maximum attempts of one call, the first included.

    Raises:
        AwsError: the profile does not exist, ``endpoint_url`` is not a URL, or the shared configuration
            files cannot be read.
    """

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
        with translate_errors():
            self.session = boto3.Session(region_name=region, profile_name=profile)
        self.endpoint_url = endpoint_url
        self._config = _config(
            attempts, custom_endpoint=bool(endpoint_url or os.environ.get("AWS_ENDPOINT_URL"))
        )
        self._clients: dict[str, Client] = {}

    @property
    def region(self) -> str | None:
        """The region; None if none is set."""
        region: str | None = self.session.region_name
        return region

    def client(self, service: str) -> Client:
        """Return the client of ``service``, always the same one.

        Raises:
            AwsError: no region is set, or it is not a valid region.
        """
        if service not in self._clients:
            config = self._config.merge(Config(parameter_validation=service not in _UNVALIDATED_SERVICES))
            with translate_errors():
                client = self.session.client(  # type: ignore[call-overload, unused-ignore]
                    service, config=config, endpoint_url=self.endpoint_url
                )
            annotate(client)
            self._clients[service] = client
        return self._clients[service]


def _config(attempts: int, *, custom_endpoint: bool) -> Config:
    return Config(
        connect_timeout=3,
        read_timeout=15,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=WORKERS,
        user_agent_extra=f"stockctl/{__version__}",
        # AWS-compatible endpoints rarely have one host name per bucket.
        s3={"addressing_style": "path"} if custom_endpoint else None,
    )


def _is_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


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
        answer = sts.get_caller_identity()
    arn = str(answer["Arn"])
    return Identity(str(answer["Account"]), connection.region, arn.split(":")[1], arn)


def known_regions() -> list[str]:
    """Return the names of all regions."""
    return sorted(region for regions in _partitions().values() for region in regions)


def partition_of(region: str) -> str:
    """Return the partition of a region; ``aws`` for an unknown region."""
    found = (partition for partition, regions in _partitions().items() if region in regions)
    return next(found, "aws")


def region_of_chain() -> str | None:
    """Return the region from boto3's own settings (environment, profile), or None.

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

"""The only maker of AWS clients."""

import os
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from stockctl import __version__
from stockctl.aws.faults import explained
from stockctl.aws.refused import annotate
from stockctl.errors import AwsError

WORKERS = 16
"""Calls at once, at most; each client keeps as many connections open."""

_OUR_PARAMETERS = frozenset({"kinesis", "dynamodb"})
"""Services that take thousands of records, which only our own code builds: to have botocore check the type of
each of their fields would cost a third of the time that a call takes."""

Client: TypeAlias = Any
"""A client of one service; botocore makes its methods at run time, out of its model of the service."""


class Connection:
    """The way to one account and region. What is absent comes from boto3's own chain.

    Args:
        region: such as ``eu-west-1``.
        profile: of the shared configuration files.
        endpoint_url: an AWS-compatible endpoint that every client uses instead of AWS's own.
        attempts: how often a call is tried in all when AWS throttles it, fails or does not answer.

    Raises:
        AwsError: the profile does not exist, ``endpoint_url`` is no URL, or the shared configuration
            files cannot be read.
    """

    def __init__(
        self,
        region: str | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        *,
        attempts: int = 4,
    ) -> None:
        if endpoint_url is not None and not _is_url(endpoint_url):
            raise AwsError(
                f"aws.endpoint_url {endpoint_url!r} is not a URL.",
                "Set it to a URL such as http://127.0.0.1:4566, or take it out to use AWS itself.",
            )
        with explained():
            self.session = boto3.Session(region_name=region, profile_name=profile)
        self.endpoint_url = endpoint_url
        self._config = _config(
            attempts, own_endpoint=bool(endpoint_url or os.environ.get("AWS_ENDPOINT_URL"))
        )
        self._clients: dict[str, Client] = {}

    @property
    def region(self) -> str | None:
        """The region, when any is set."""
        region: str | None = self.session.region_name
        return region

    def client(self, service: str) -> Client:
        """Return the client of ``service``; the same one each time.

        Raises:
            AwsError: no region is set, or it is none.
        """
        if service not in self._clients:
            config = self._config.merge(Config(parameter_validation=service not in _OUR_PARAMETERS))
            with explained():
                client = self.session.client(  # type: ignore[call-overload, unused-ignore]
                    service, config=config, endpoint_url=self.endpoint_url
                )
            annotate(client)
            self._clients[service] = client
        return self._clients[service]


def _config(attempts: int, *, own_endpoint: bool) -> Config:
    return Config(
        connect_timeout=3,
        read_timeout=15,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=WORKERS,
        user_agent_extra=f"stockctl/{__version__}",
        # An endpoint of one's own rarely has a name for each bucket.
        s3={"addressing_style": "path"} if own_endpoint else None,
    )


def _is_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname)

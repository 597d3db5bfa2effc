"""Creates boto3 clients with the settings that stockctl needs."""

import os
from typing import Any, TypeAlias

import boto3
from botocore.config import Config

from stockctl import __version__

WORKERS = 16
"""Maximum concurrent calls; each client keeps that many connections open."""
ATTEMPTS = 4
"""Attempts of one call, the first included, if AWS throttles it, fails or does not answer."""

# These services take thousands of records per call, which only our own code builds. If botocore checked the
# type of each field, a call would take a third longer.
_UNVALIDATED_SERVICES = frozenset({"kinesis", "dynamodb"})

Client: TypeAlias = Any
"""A boto3 client; botocore creates its methods at run time, so they have no static types."""


class ClientFactory:
    """Creates clients for one account and region; boto3's own settings apply where none is given.

    Args:
        region: the region, for example ``eu-west-1``.
        profile: name of a profile in the shared configuration files.
        endpoint_url: an AWS-compatible endpoint that all clients use instead of AWS.
        attempts: maximum attempts of one call, the first included.
    """

    def __init__(
        self,
        region: str | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        *,
        attempts: int = ATTEMPTS,
    ) -> None:
        self.session = boto3.Session(region_name=region, profile_name=profile)
        self.endpoint_url = endpoint_url
        custom_endpoint = endpoint_url or os.environ.get("AWS_ENDPOINT_URL")
        self._config = Config(
            connect_timeout=3,
            read_timeout=15,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=WORKERS,
            user_agent_extra=f"stockctl/{__version__}",
            # AWS-compatible endpoints rarely have one host name per bucket.
            s3={"addressing_style": "path"} if custom_endpoint else None,
        )
        self._clients: dict[str, Client] = {}

    def client(self, service: str) -> Client:
        """Return the client of ``service``, always the same one."""
        if service not in self._clients:
            self._clients[service] = self._create(service)
        return self._clients[service]

    def _create(self, service: str) -> Client:
        config = self._config.merge(Config(parameter_validation=service not in _UNVALIDATED_SERVICES))
        return self.session.client(  # type: ignore[call-overload, unused-ignore]
            service, config=config, endpoint_url=self.endpoint_url
        )

"""What a fault of AWS means for records on their way: try again, slow down, or give up."""

import re
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from stockctl.aws.refused import error_code
from stockctl.errors import AwsError

_THROTTLED = re.compile(r"Throttl|SlowDown|TooManyRequests|RequestLimitExceeded|ProvisionedThroughput|^Limit")
_BUSY = {
    "RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete", "ServiceUnavailable",
    "ServiceUnavailableException", "InternalFailure", "InternalServerError", "InternalError",
    "ResourceInUseException",
}  # fmt: skip
# Nothing was sent: no connection came about.
_UNSENT = ("EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError", "SSLError")
_UNANSWERED = ("ReadTimeoutError", "ConnectionClosedError", "HTTPClientError", "ResponseStreamingError")
_NO_CREDENTIALS_NOW = ("MetadataRetrievalError", "CredentialRetrievalError")
_SERVER_FAULT = 500


class Verdict(NamedTuple):
    """What is known about records after a call failed."""

    passing: bool = False
    """Whether the same call may work later."""
    throttled: bool = False
    """Whether less should be sent."""
    uncertain: bool = False
    """Whether they may have arrived all the same."""


def is_throttle(code: str) -> bool:
    """Tell whether an error code says that too much came."""
    return _THROTTLED.search(code) is not None


def verdict(error: AwsError) -> Verdict:
    """Return what ``error``, raised out of botocore's own exception, means."""
    cause = error.__cause__
    if isinstance(cause, ClientError):
        return _of_answer(cause)
    if isinstance(cause, BotoCoreError):
        return _of_way(cause)
    return Verdict()


def _of_answer(error: ClientError) -> Verdict:
    code = error_code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if is_throttle(code):
        return Verdict(passing=True, throttled=True)
    if status >= _SERVER_FAULT or code in _BUSY:
        return Verdict(passing=True, uncertain=True)
    return Verdict()


def _of_way(error: BotoCoreError) -> Verdict:
    # By name: some of these are younger than the oldest botocore that this runs with.
    names = {kind.__name__ for kind in type(error).__mro__}
    if "SSLError" in names and "CERTIFICATE" in str(error).upper():
        return Verdict()
    if names.intersection(_UNSENT) or names.intersection(_NO_CREDENTIALS_NOW):
        return Verdict(passing=True)
    if names.intersection(_UNANSWERED):
        return Verdict(passing=True, uncertain=True)
    return Verdict()

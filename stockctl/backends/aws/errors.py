"""Classifies the errors of botocore and AWS: error code, throttling, whether a retry can help."""

import re
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from stockctl.errors import AwsError

_THROTTLE_CODE = re.compile(
    r"Throttl|SlowDown|TooManyRequests|RequestLimitExceeded|ProvisionedThroughput|^Limit"
)
_UNAVAILABLE_CODES = {
    "RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete", "ServiceUnavailable",
    "ServiceUnavailableException", "InternalFailure", "InternalServerError", "InternalError",
    "ResourceInUseException",
}  # fmt: skip
_SERVER_ERROR = 500
# Exception classes of botocore, by name: some are younger than the oldest botocore that is supported.
_NOT_CONNECTED = {"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError", "SSLError"}
_NOT_ANSWERED = {"ReadTimeoutError", "ConnectionClosedError", "HTTPClientError", "ResponseStreamingError"}
_NO_CREDENTIALS = {"MetadataRetrievalError", "CredentialRetrievalError"}


class FailureClass(NamedTuple):
    """What a failed call means for the records that it sent."""

    retryable: bool = False
    """Whether the same call may succeed later."""
    throttled: bool = False
    """Whether AWS asks to send less."""
    possibly_sent: bool = False
    """Whether the records may have arrived all the same."""


def error_code(error: ClientError) -> str:
    """Return the code of an error, such as ``ThrottlingException``."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_throttle(code: str) -> bool:
    """Return whether an error code means that too many requests were sent."""
    return _THROTTLE_CODE.search(code) is not None


def classify_failure(error: AwsError) -> FailureClass:
    """Classify an error by the exception of botocore that caused it."""
    cause = error.__cause__
    if isinstance(cause, ClientError):
        return _classify_service_error(cause)
    if isinstance(cause, BotoCoreError):
        return _classify_connection_error(cause)
    return FailureClass()


def _classify_service_error(error: ClientError) -> FailureClass:
    code = error_code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if is_throttle(code):
        return FailureClass(retryable=True, throttled=True)
    if status >= _SERVER_ERROR or code in _UNAVAILABLE_CODES:
        return FailureClass(retryable=True, possibly_sent=True)
    return FailureClass()


def _classify_connection_error(error: BotoCoreError) -> FailureClass:
    names = {kind.__name__ for kind in type(error).__mro__}
    if "SSLError" in names and "CERTIFICATE" in str(error).upper():
        return FailureClass()
    if names & (_NOT_CONNECTED | _NO_CREDENTIALS):
        return FailureClass(retryable=True)
    if names & _NOT_ANSWERED:
        return FailureClass(retryable=True, possibly_sent=True)
    return FailureClass()

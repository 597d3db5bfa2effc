"""Endpoints of alert subscriptions, and their SNS filter policies."""

import re
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from stockctl.errors import UsageError

_EMAIL = re.compile(r"[^@\s]{1,64}@(?!-)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_QUEUE = re.compile(r"arn:aws[a-z-]*:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,80}(?P<fifo>\.fifo)?")
_QUEUE_URL = re.compile(r"https://sqs\.([a-z0-9-]+)\.amazonaws\.com/([0-9]{12})/([A-Za-z0-9_.-]+)")
_MAX_COMBINATIONS = 150


def check_endpoint(protocol: str, endpoint: str) -> None:
    """Check that ``endpoint`` is valid for ``protocol``: ``email``, ``sms``, ``sqs`` or ``https``.

    Raises:
        UsageError: it is not, or there is no such protocol.
    """
    if protocol not in _CHECKS:
        raise UsageError(
            f"{protocol!r} is not a protocol for alerts.", f"Use one of: {', '.join(sorted(_CHECKS))}."
        )
    if not endpoint.isprintable():
        raise UsageError(f"{endpoint!r} contains control characters.", "Remove them.")
    _CHECKS[protocol](endpoint)


def filter_policy(symbols: Sequence[str], kinds: Sequence[str]) -> dict[str, list[str]]:
    """Return the SNS filter policy for alerts of these symbols and kinds; empty sequences mean all.

    Raises:
        UsageError: SNS does not accept so many combinations.
    """
    wanted = {"symbol": list(dict.fromkeys(symbols)), "kind": list(dict.fromkeys(kinds))}
    if max(1, len(wanted["symbol"])) * max(1, len(wanted["kind"])) > _MAX_COMBINATIONS:
        raise UsageError(
            f"The filter has more combinations of symbol and kind than SNS accepts ({_MAX_COMBINATIONS}).",
            "Name fewer symbols, or omit the filter.",
        )
    return {attribute: values for attribute, values in wanted.items() if values}


def _check_email(endpoint: str) -> None:
    if not _EMAIL.fullmatch(endpoint):
        raise UsageError(f"{endpoint!r} is not an e-mail address.", "Example: trader@example.com.")


def _check_sms(endpoint: str) -> None:
    if not _NUMBER.fullmatch(endpoint):
        raise UsageError(
            f"{endpoint!r} is not a phone number in E.164 format.",
            "Write +, the country code and digits only, such as +491701234567.",
        )


def _check_https(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{endpoint!r} is not a URL: {error}.", _URL_HINT) from None
    if parts.scheme == "http":
        raise UsageError(f"{endpoint!r} is not encrypted: alerts go to https only.", _URL_HINT)
    if parts.scheme != "https" or not host or " " in endpoint:
        raise UsageError(f"{endpoint!r} is not an https URL.", _URL_HINT)


def _check_sqs(endpoint: str) -> None:
    found = _QUEUE.fullmatch(endpoint)
    if found is None:
        by_url = _QUEUE_URL.fullmatch(endpoint)
        arn = (
            "arn:aws:sqs:" + ":".join(by_url.groups())
            if by_url
            else "arn:aws:sqs:eu-west-1:123456789012:name"
        )
        raise UsageError(
            f"{endpoint!r} is not the ARN of a queue.", f"{'Use its ARN:' if by_url else 'Example:'} {arn}."
        )
    if found["fifo"]:
        raise UsageError(
            f"{endpoint} is a FIFO queue, which this topic cannot send to.", "Use a standard queue."
        )


_URL_HINT = "Example: https://example.com/alerts."
_CHECKS: Mapping[str, Callable[[str], None]] = {
    "email": _check_email,
    "sms": _check_sms,
    "sqs": _check_sqs,
    "https": _check_https,
}

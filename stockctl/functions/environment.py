"""What the functions are told by their environment."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from stockctl.errors import ConfigError
from stockctl.market.rules import Rules

_HINT = "'stockctl provision' sets it."


class Environment(NamedTuple):
    """The environment of a function, read once."""

    table: str
    """The DynamoDB table of quotes."""
    alerts_table: str
    bucket: str
    topic_arn: str
    """Empty where the function publishes nothing."""
    rules: Rules
    alert_max_age: timedelta | None
    """An older quote's alert is logged only; None means no limit."""
    ttl: timedelta | None
    """How long a quote is kept; None means for ever."""


def read_environment(variables: Mapping[str, str], *, publishes: bool = False) -> Environment:
    """Return what ``variables`` say; a function that publishes has to be told its topic.

    Raises:
        ConfigError: one is missing or is not a number where it has to be.
    """
    max_age = _whole(variables, "ALERT_MAX_AGE_SECONDS")
    ttl = _whole(variables, "TTL_DAYS")
    return Environment(
        _text(variables, "TABLE_NAME"),
        _text(variables, "ALERTS_TABLE"),
        _text(variables, "BUCKET"),
        _text(variables, "TOPIC_ARN") if publishes else "",
        Rules(
            _whole(variables, "SMA_SHORT"),
            _whole(variables, "SMA_LONG"),
            _number(variables, "THRESHOLD_PERCENT"),
        ),
        timedelta(seconds=max_age) if max_age else None,
        timedelta(days=ttl) if ttl else None,
    )


def _text(variables: Mapping[str, str], name: str) -> str:
    try:
        return variables[name]
    except KeyError:
        raise ConfigError(f"The environment variable {name} is missing.", _HINT) from None


def _whole(variables: Mapping[str, str], name: str) -> int:
    text = _text(variables, name)
    if not (text.isascii() and text.isdigit()):
        raise ConfigError(f"The environment variable {name} = {text!r} is not a whole number.", _HINT)
    return int(text)


def _number(variables: Mapping[str, str], name: str) -> Decimal:
    text = _text(variables, name)
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise ConfigError(f"The environment variable {name} = {text!r} is not a number.", _HINT)
    return number

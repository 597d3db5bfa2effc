"""What environment variables say of the configuration.

``STOCKCTL_<SECTION>__<KEY>`` sets ``section.key``; ``STOCKCTL_TARGET`` and ``STOCKCTL_SYMBOLS`` set the two
keys without a section, and ``STOCKCTL_CONFIG`` names the file. An empty variable counts as absent, and any
other that begins like these is refused.
"""

import tomllib
from collections.abc import Mapping

from stockctl.config_keys import EVERY_KEY, dotted_keys, nearest
from stockctl.config_values import Text
from stockctl.errors import ConfigError

PREFIX = "STOCKCTL_"
FILE_VARIABLE = f"{PREFIX}CONFIG"
_NO_KEYS = {FILE_VARIABLE, f"{PREFIX}SHARED", f"{PREFIX}EXAMPLES"}
"""What sets no key: the name of the file, and what the tests of this project take."""
_STRUCTURED = ("symbols", "alerts.subscriptions", "aws.tags", "source.options")


def from_environment(environment: Mapping[str, str]) -> list[tuple[str, object, str]]:
    """Return the keys that variables set: each with its value and its variable.

    Raises:
        ConfigError: a variable sets no key, or cannot be read.
    """
    keys = {_variable(key): key for key in dotted_keys()}
    rows: list[tuple[str, object, str]] = []
    for variable in sorted(environment):
        text = environment[variable]
        if not variable.startswith(PREFIX) or variable in _NO_KEYS or not text:
            continue
        if (key := keys.get(variable)) is None:
            raise _unknown(variable, {FILE_VARIABLE, *keys})
        rows.append((key, _structured(text, variable) if key in _STRUCTURED else Text(text), variable))
    return rows


def _variable(key: str) -> str:
    return PREFIX + key.upper().replace(".", "__")


def _unknown(variable: str, known: set[str]) -> ConfigError:
    name = variable.removeprefix(PREFIX)
    # Without what all of them have in common, which would make any two look alike.
    near = nearest(name.upper(), [each.removeprefix(PREFIX) for each in known])
    return ConfigError(
        f"${variable}: unknown key {name.lower().replace('__', '.', 1)!r}.",
        f"Did you mean ${PREFIX}{near}?" if near else EVERY_KEY,
    )


def _structured(text: str, variable: str) -> object:
    if not text.lstrip().startswith(("[", "{")):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"${variable} = {text!r} is not TOML: {error}.") from None

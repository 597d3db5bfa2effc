"""The one module that touches yfinance: symbols in, Yahoo's results out, every fault with a type.

yfinance keeps the session, its cookie and its crumb in ``YfData``, which is half internal: when a future
release has no ``get_raw_json`` any more, the user is told so. ``Ticker.history`` would be a way around,
and is not taken: it costs a request for each symbol and poll, which is what gets an address limited.
"""

import json
import logging
from collections.abc import Sequence
from functools import cache
from tempfile import TemporaryDirectory
from typing import Any

from stockctl.errors import SourceError
from stockctl.sources.yahoo.faults import (
    Malformed,
    RateLimited,
    Refused,
    ServerFault,
    Unreachable,
    YahooFault,
    one_line,
)

URL = "https://query1.finance.yahoo.com/v7/finance/quote"
TIMEOUT = 15.0
"""Seconds for one request of quotes; yfinance gives the cookie and the crumb before the first 30 each."""

_log = logging.getLogger(__name__)


class YahooClient:
    """Asks Yahoo through yfinance, which is imported at the first request."""

    def __init__(self) -> None:
        self._data: Any = None
        self._faults: tuple[type[Exception], ...] = ()

    def quotes(self, symbols: Sequence[str]) -> list[object]:
        """Return what Yahoo says of the symbols, unread and in any order; unknown ones are left out.

        Raises:
            YahooFault: there is no answer, or none that holds results.
            SourceError: yfinance is absent, broken, or too new.
        """
        if self._data is None:
            self._data, self._faults = _open()
        params = {"symbols": ",".join(symbols), "formatted": "false", "lang": "en-US", "region": "US"}
        try:
            answer = self._data.get_raw_json(URL, params=params, timeout=TIMEOUT)
        except self._faults as error:
            raise _fault(error, str(getattr(self._data, "_crumb", ""))) from error
        return _results(answer)


@cache
def _open() -> tuple[Any, tuple[type[Exception], ...]]:
    """Return yfinance's one session, set up quietly, and what may be raised through it."""
    try:
        import peewee  # keeps yfinance's cookies
        import yfinance
        from yfinance.data import YfData
        from yfinance.exceptions import YFException
    except ImportError as error:
        raise SourceError(
            f"yfinance cannot be loaded: {error}.",
            "Install it again: pip install --force-reinstall 'yfinance>=1.0,<2'.",
        ) from error
    if not hasattr(YfData, "get_raw_json"):
        raise SourceError(
            f"yfinance {yfinance.__version__} has no YfData.get_raw_json, which reads many quotes at once.",
            "Install a release that stockctl was made for: pip install 'yfinance>=1.0,<2'.",
        )
    _quieten()
    yfinance.set_tz_cache_location(_private_folder().name)
    # What yfinance does with an answer that it did not expect is a fault of that answer.
    stumbles = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
    return YfData(), (OSError, YFException, peewee.PeeweeException, *stumbles)


@cache
def _private_folder() -> "TemporaryDirectory[str]":
    """Make the folder of yfinance's caches, SQLite files that processes must not share.

    It is held here, so that it lasts as long as the process.
    """
    try:
        return TemporaryDirectory(prefix="stockctl-yahoo-", ignore_cleanup_errors=True)
    except OSError as error:
        raise SourceError(
            f"There is no room for yfinance's cookies: {error}.",
            "Free some space, or set TMPDIR to a folder that can be written.",
        ) from error


class _Relay(logging.Handler):
    """Passes on what yfinance logs as detail, on one line: the warnings that count are ours."""

    def emit(self, record: logging.LogRecord) -> None:
        _log.debug("%s: %s", record.name, one_line(record.getMessage()))


def _quieten() -> None:
    for name in ("yfinance", "peewee"):
        logger = logging.getLogger(name)
        # Below WARNING they log cookies and crumbs, which are as good as passwords.
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        logger.handlers = [_Relay()]


def _fault(error: Exception, crumb: str) -> YahooFault:
    """Return the fault that an exception out of yfinance, curl_cffi or requests stands for."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    # Limited as early as at the crumb, yfinance takes the refusal for one, and is told 401 for that.
    limited_before = status == 401 and "Too Many Requests" in crumb
    if type(error).__name__ == "YFRateLimitError" or status == 429 or limited_before:
        return RateLimited()
    # A parser's error first: in requests it is a network error as well.
    if isinstance(error, json.JSONDecodeError):
        reason = f"it is not JSON ({error.msg} at character {error.pos})" if error.doc else "it is empty"
        return Malformed(reason)
    if isinstance(status, int) and status >= 400:
        return ServerFault(status) if status < 600 and status >= 500 else Refused(status)
    # Without curl_cffi, yfinance stumbles while it handles a network error.
    network = next((each for each in (error, error.__context__) if isinstance(each, OSError)), None)
    if network is not None:
        return Unreachable(_network_reason(network))
    return Malformed(f"yfinance stumbles over it ({type(error).__name__}: {error})")


def _network_reason(error: OSError) -> str:
    """Return the heart of what curl says, without its opening phrase and the pointer to its manual."""
    text = str(error).removeprefix("Failed to perform, ").partition(". See ")[0]
    return text or type(error).__name__


def _results(answer: object) -> list[object]:
    """Return the list of results in a quote answer.

    Raises:
        Malformed: the answer reports an error, or is built in another way.
    """
    response = answer.get("quoteResponse") if isinstance(answer, dict) else None
    if not isinstance(response, dict):
        raise Malformed("it has no quoteResponse")
    if error := response.get("error"):
        raise Malformed(f"it reports {error.get('description') if isinstance(error, dict) else error}")
    results = response.get("result")
    if not isinstance(results, list):
        raise Malformed("it has no list of results")
    return results

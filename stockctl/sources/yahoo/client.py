"""Requests to Yahoo through yfinance, one session a thread."""

import logging
from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from functools import cache
from tempfile import TemporaryDirectory
from threading import Event, Lock, local
from typing import Any

from stockctl.errors import SourceError
from stockctl.formatting import escape_line
from stockctl.sources.yahoo.errors import (
    CircuitOpen,
    MalformedResponse,
    RateLimited,
    YahooError,
    classify_error,
)
from stockctl.sources.yahoo.throttle import CircuitBreaker, RateLimiter, parse_retry_after

_LIMITED = 429

_log = logging.getLogger(__name__)
_loading = Lock()


class YahooSession:
    """One session with Yahoo, for one thread.

    yfinance sends a request that got a 4xx or 5xx once more, with another cookie. A 429 is not among
    these: it ends the call at once.

    Args:
        check: called before each HTTP request; what it raises ends the call.

    Raises:
        SourceError: yfinance is absent, broken, or too new.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        yf_data, self._faults = load()
        self._data: Any = type.__call__(yf_data)
        self.sent = 0
        """HTTP requests so far: for quotes, cookies and crumbs, second tries included."""
        if (session := getattr(self._data, "_session", None)) is not None:
            session.request = self._gated(session.request)

    def get(self, url: str, params: dict[str, str], timeout: float) -> object:
        """Return the JSON at ``url``.

        Raises:
            YahooError: there is no answer, or none that is JSON.
        """
        try:
            return self._data.get_raw_json(url, params=params, timeout=timeout)
        except YahooError:
            raise
        except self._faults as error:
            raise classify_error(error, str(getattr(self._data, "_crumb", ""))) from error

    def close(self) -> None:
        """Forget the cookie, and close the connection."""
        _cookies.forget()
        if (session := getattr(self._data, "_session", None)) is not None:
            session.close()

    def _gated(self, request: Callable[..., Any]) -> Callable[..., Any]:
        def gated(*args: object, **kwargs: object) -> Any:  # noqa: ANN401 - whatever the library returns
            self._check()
            self.sent += 1
            response = request(*args, **kwargs)
            if response.status_code == _LIMITED:
                raise RateLimited(parse_retry_after(response.headers.get("Retry-After"), datetime.now(UTC)))
            return response

        return gated


class _CookieCache(local):
    """The cookie of each thread's session, in the place of the SQLite file that yfinance keeps it in.

    yfinance looks the cookie up for every request, so it must be kept somewhere; in a file, threads that
    write it at the same time fail.
    """

    def __init__(self) -> None:
        self._kept: dict[str, object] = {}

    def lookup(self, strategy: str) -> dict[str, object] | None:
        """Return what was stored, as yfinance expects it."""
        if strategy not in self._kept:
            return None
        return {"cookie": deepcopy(self._kept[strategy]), "age": timedelta()}

    def store(self, strategy: str, cookie: object) -> None:
        """Keep a cookie."""
        self._kept[strategy] = deepcopy(cookie)

    def forget(self) -> None:
        """Forget what this thread has stored."""
        self._kept.clear()


_cookies = _CookieCache()


def load() -> tuple[Any, tuple[type[Exception], ...]]:
    """Import yfinance, made quiet, and return its ``YfData`` and what may be raised through it.

    Raises:
        SourceError: yfinance is absent, broken, or too new.
    """
    with _loading:
        return _load()


@cache
def _load() -> tuple[Any, tuple[type[Exception], ...]]:
    try:
        import peewee  # keeps what yfinance keeps in files
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
    _redirect_logs()
    yfinance.set_tz_cache_location(_private_folder().name)
    _keep_cookies()
    # What yfinance does with an answer that it did not expect is a fault of that answer.
    stumbles = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
    return YfData, (OSError, YFException, peewee.PeeweeException, *stumbles)


def _keep_cookies() -> None:
    from yfinance import cache as caches

    if hasattr(caches, "_CookieCacheManager"):
        setattr(caches._CookieCacheManager, "_Cookie_cache", _cookies)  # noqa: B010, SLF001 - no other way


@cache
def _private_folder() -> "TemporaryDirectory[str]":
    """Make the folder of yfinance's caches, SQLite files that processes must not share.

    It is held here, so that it lasts as long as the process.
    """
    try:
        return TemporaryDirectory(prefix="stockctl-yahoo-", ignore_cleanup_errors=True)
    except OSError as error:
        raise SourceError(
            f"There is no room for yfinance's caches: {error}.",
            "Free some space, or set TMPDIR to a folder that can be written.",
        ) from error


class _LogRelay(logging.Handler):
    """Passes on what yfinance logs as detail, on one line: the warnings that count are ours."""

    def emit(self, record: logging.LogRecord) -> None:
        _log.debug("%s: %s", record.name, escape_line(record.getMessage()))


def _redirect_logs() -> None:
    for name in ("yfinance", "peewee"):
        logger = logging.getLogger(name)
        # Below WARNING they log cookies and crumbs, which are as good as passwords.
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        logger.handlers = [_LogRelay()]


URL = "https://query1.finance.yahoo.com/v7/finance/quote"
TIMEOUT = 15.0
"""Seconds for one request of quotes; yfinance gives the cookie and the crumb before the first 30 each."""


class YahooClient:
    """Asks Yahoo through yfinance, which is imported at the first request; any thread may ask.

    Each thread has a session of its own, with a cookie and a crumb. After a 429 it gets a new one.

    Args:
        breaker: decides whether Yahoo may be asked; one of its own unless it is shared with others.
        limiter: decides when; without it nothing is held back.
    """

    def __init__(self, breaker: CircuitBreaker | None = None, limiter: RateLimiter | None = None) -> None:
        self.breaker = CircuitBreaker() if breaker is None else breaker
        self.limiter = limiter
        self._of_thread = local()

    def quotes(self, symbols: Sequence[str], stop: Event | None = None) -> list[object]:
        """Return what Yahoo says of the symbols, unread and in any order; unknown ones are left out.

        Raises:
            YahooError: there is no answer, or none that holds results; ``CircuitOpen`` when nobody asked.
            SourceError: yfinance is absent, broken, or too new.
            Stopped: ``stop`` was set while the request waited for its turn.
        """
        self.breaker.check()
        if self.limiter is not None:
            self.limiter.wait(Event() if stop is None else stop)
        with self.breaker.request():
            return self._ask(symbols)

    def _ask(self, symbols: Sequence[str]) -> list[object]:
        session = self._session()
        params = {"symbols": ",".join(symbols), "formatted": "false", "lang": "en-US", "region": "US"}
        before = session.sent
        try:
            return _results(session.get(URL, params, TIMEOUT))
        except CircuitOpen:
            raise
        except RateLimited:
            # Now and then it is the cookie that is limited, and a new one is not.
            self._of_thread.session = None
            session.close()
            raise
        finally:
            if self.limiter is not None:
                self.limiter.charge(max(0, session.sent - before - 1))

    def _session(self) -> YahooSession:
        session: YahooSession | None = getattr(self._of_thread, "session", None)
        if session is None:
            session = self._of_thread.session = YahooSession(self.breaker.check)
        return session


def _results(answer: object) -> list[object]:
    """Return the list of results in a quote answer.

    Raises:
        MalformedResponse: the answer reports an error, or is built in another way.
    """
    response = answer.get("quoteResponse") if isinstance(answer, dict) else None
    if not isinstance(response, dict):
        raise MalformedResponse("it has no quoteResponse")
    if error := response.get("error"):
        raise MalformedResponse(
            f"it reports {error.get('description') if isinstance(error, dict) else error}"
        )
    results = response.get("result")
    if not isinstance(results, list):
        raise MalformedResponse("it has no list of results")
    return results

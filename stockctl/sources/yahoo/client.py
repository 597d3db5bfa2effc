"""Requests to Yahoo through yfinance, with one session per thread."""

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
from stockctl.sources.yahoo.circuit_breaker import CircuitBreaker
from stockctl.sources.yahoo.errors import (
    CircuitOpen,
    MalformedResponse,
    RateLimited,
    YahooError,
    classify_error,
)
from stockctl.sources.yahoo.rate_limit import RateLimiter, parse_retry_after

_log = logging.getLogger(__name__)


_TOO_MANY_REQUESTS = 429

_load_lock = Lock()


class YahooSession:
    """A session with Yahoo, for one thread.

    yfinance repeats a request that failed with a 4xx or 5xx once, with another cookie; but a 429 ends the
    call at once.

    Args:
        check: called before each HTTP request; what it raises ends the call.

    Raises:
        SourceError: yfinance is absent, broken, or too new.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        yf_data, self._errors = load()
        self._data: Any = type.__call__(yf_data)
        self.requests_sent = 0
        """HTTP requests so far: for quotes, cookies and crumbs, repeated ones included."""
        if (session := getattr(self._data, "_session", None)) is not None:
            session.request = self._guarded(session.request)

    def get(self, url: str, params: dict[str, str], timeout: float) -> object:
        """Return the JSON at ``url``.

        Raises:
            YahooError: there is no answer, or it is not JSON.
        """
        try:
            return self._data.get_raw_json(url, params=params, timeout=timeout)
        except YahooError:
            raise
        except self._errors as error:
            raise classify_error(error, str(getattr(self._data, "_crumb", ""))) from error

    def close(self) -> None:
        """Forget the cookie, and close the connection."""
        _cookies.forget()
        if (session := getattr(self._data, "_session", None)) is not None:
            session.close()

    def _guarded(self, request: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: object, **kwargs: object) -> Any:  # noqa: ANN401 - whatever the library returns
            self._check()
            self.requests_sent += 1
            response = request(*args, **kwargs)
            if response.status_code == _TOO_MANY_REQUESTS:
                raise RateLimited(parse_retry_after(response.headers.get("Retry-After"), datetime.now(UTC)))
            return response

        return guarded


class _CookieCache(local):
    """The cookie of each thread's session, instead of the SQLite file that yfinance uses.

    yfinance reads the cookie for every request. Threads that write the file at the same time fail.
    """

    def __init__(self) -> None:
        self._cookies: dict[str, object] = {}

    def lookup(self, strategy: str) -> dict[str, object] | None:
        """Return a stored cookie, in the form that yfinance expects."""
        if strategy not in self._cookies:
            return None
        return {"cookie": deepcopy(self._cookies[strategy]), "age": timedelta()}

    def store(self, strategy: str, cookie: object) -> None:
        """Store a cookie."""
        self._cookies[strategy] = deepcopy(cookie)

    def forget(self) -> None:
        """Forget the cookies of this thread."""
        self._cookies.clear()


_cookies = _CookieCache()


def load() -> tuple[Any, tuple[type[Exception], ...]]:
    """Import yfinance without its log output, and return its ``YfData`` and the exceptions it may raise.

    Raises:
        SourceError: yfinance is absent, broken, or too new.
    """
    with _load_lock:
        return _load()


@cache
def _load() -> tuple[Any, tuple[type[Exception], ...]]:
    try:
        import peewee  # yfinance stores its files with it
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
    _use_memory_cookies()
    # yfinance raises these for an answer that it did not expect.
    parsing_errors = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
    return YfData, (OSError, YFException, peewee.PeeweeException, *parsing_errors)


def _use_memory_cookies() -> None:
    from yfinance import cache as caches

    if hasattr(caches, "_CookieCacheManager"):
        setattr(caches._CookieCacheManager, "_Cookie_cache", _cookies)  # noqa: B010, SLF001 - no other way


@cache
def _private_folder() -> "TemporaryDirectory[str]":
    """Create the folder for yfinance's caches, SQLite files that processes must not share.

    The cached result keeps it until the process ends.
    """
    try:
        return TemporaryDirectory(prefix="stockctl-yahoo-", ignore_cleanup_errors=True)
    except OSError as error:
        raise SourceError(
            f"There is no room for yfinance's caches: {error}.",
            "Free some space, or set TMPDIR to a folder that can be written.",
        ) from error


class _LogRelay(logging.Handler):
    """Logs what yfinance logs on one line at level DEBUG; the warnings that matter are ours."""

    def emit(self, record: logging.LogRecord) -> None:
        _log.debug("%s: %s", record.name, escape_line(record.getMessage()))


def _redirect_logs() -> None:
    for name in ("yfinance", "peewee"):
        logger = logging.getLogger(name)
        # Below WARNING they log cookies and crumbs, which are secrets.
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        logger.handlers = [_LogRelay()]


URL = "https://query1.finance.yahoo.com/v7/finance/quote"
TIMEOUT = 15.0
"""Seconds for one request of quotes; for the cookie and the crumb yfinance allows 30 each."""


class YahooClient:
    """Sends requests to Yahoo through yfinance, from any thread; the first one imports yfinance.

    Each thread has its own session, with a cookie and a crumb. After a 429 it gets a new one.

    Args:
        breaker: decides whether requests may be sent; by default one that is not shared.
        limiter: limits the rate of requests; None means no limit.
    """

    def __init__(self, breaker: CircuitBreaker | None = None, limiter: RateLimiter | None = None) -> None:
        self.breaker = CircuitBreaker() if breaker is None else breaker
        self.limiter = limiter
        self._thread_local = local()

    def quotes(self, symbols: Sequence[str], stop: Event | None = None) -> list[object]:
        """Return Yahoo's results for the symbols, unparsed and in any order, without the unknown ones.

        Raises:
            YahooError: there is no answer, or it has no results; ``CircuitOpen`` if no request was sent.
            SourceError: yfinance is absent, broken, or too new.
            SourceStopped: ``stop`` was set while the request waited for the rate limit.
        """
        self.breaker.check()
        if self.limiter is not None:
            self.limiter.wait(Event() if stop is None else stop)
        with self.breaker.request():
            return self._request(symbols)

    def _request(self, symbols: Sequence[str]) -> list[object]:
        session = self._session()
        params = {"symbols": ",".join(symbols), "formatted": "false", "lang": "en-US", "region": "US"}
        before = session.requests_sent
        try:
            return _results(session.get(URL, params, TIMEOUT))
        except CircuitOpen:
            raise
        except RateLimited:
            # Sometimes the limit is on the cookie, and a new one is not limited.
            self._thread_local.session = None
            session.close()
            raise
        finally:
            if self.limiter is not None:
                self.limiter.charge(max(0, session.requests_sent - before - 1))

    def _session(self) -> YahooSession:
        session: YahooSession | None = getattr(self._thread_local, "session", None)
        if session is None:
            session = self._thread_local.session = YahooSession(self.breaker.check)
        return session


def _results(answer: object) -> list[object]:
    """Return the list of results in a quote answer.

    Raises:
        MalformedResponse: the answer reports an error, or has another structure.
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

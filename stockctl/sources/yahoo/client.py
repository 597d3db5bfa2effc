"""Symbols in, Yahoo's results out, every fault with a type; ``session`` is where yfinance is touched."""

from collections.abc import Sequence
from threading import Event, local

from stockctl.sources.yahoo.breaker import Breaker
from stockctl.sources.yahoo.faults import Malformed, RateLimited, Withheld
from stockctl.sources.yahoo.limiter import RateLimiter
from stockctl.sources.yahoo.session import YahooSession

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

    def __init__(self, breaker: Breaker | None = None, limiter: RateLimiter | None = None) -> None:
        self.breaker = Breaker() if breaker is None else breaker
        self.limiter = limiter
        self._of_thread = local()

    def quotes(self, symbols: Sequence[str], stop: Event | None = None) -> list[object]:
        """Return what Yahoo says of the symbols, unread and in any order; unknown ones are left out.

        Raises:
            YahooFault: there is no answer, or none that holds results; ``Withheld`` when nobody asked.
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
        except Withheld:
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

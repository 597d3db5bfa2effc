"""Quotes and deliveries for tests by property, and the settings these share."""

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

ANY_NUMBER_OF_EXAMPLES = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])


def examples(count: int) -> settings:
    """Return settings for ``count`` examples, or ``STOCKCTL_EXAMPLES`` times as many; nothing is kept."""
    times = float(os.environ.get("STOCKCTL_EXAMPLES", "0.5"))
    return settings(ANY_NUMBER_OF_EXAMPLES, max_examples=max(1, round(count * times)))


SYMBOLS = st.from_regex(r"[A-Z0-9^][A-Z0-9.^=-]{0,19}", fullmatch=True)
TIMESTAMPS = st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds") + "Z")
# Few different values close together: ties, equal means, crossings and moves at the threshold are common.
_COMMON = ["100", "105", "95", "105.0", "104.999999", "105.000001", "94.999999", "1e2", "100.0000005"]
_PRICES = st.sampled_from([*_COMMON, *map(str, range(94, 107))]) | st.integers(1, 250_000_000).map(
    lambda millionths: f"{millionths // 10**6}.{millionths % 10**6:06}"
)
_CLOSES = st.sampled_from([None, "100", "100", *_COMMON])
# Around the end of summer time in New York, midnight there included.
_MINUTES = st.integers(0, 3 * 24 * 60)
_QUOTES = st.lists(
    st.tuples(_MINUTES, st.booleans(), _PRICES, _CLOSES),
    min_size=1,
    max_size=40,
    unique_by=lambda item: item[0],
)


def plain_quotes() -> st.SearchStrategy[list[dict[str, Any]]]:
    """Return quotes of one or two symbols in time order, over three sessions."""
    return _QUOTES.map(lambda items: [_plain(*item) for item in sorted(items)])


def _plain(minute: int, other: bool, price: str, close: str | None) -> dict[str, Any]:
    day, rest = divmod(minute, 24 * 60)
    return {
        "symbol": "MSFT" if other else "AAPL",
        "timestamp": f"2019-11-{2 + day:02}T{rest // 60:02}:{rest % 60:02}:00.000Z",
        "price": price,
        "previous_close": close,
        "open": None,
        "high": price,
        "low": close,
        "volume": minute,
        "source": "replay",
    }


@st.composite
def cut(draw: Any, items: list[Any]) -> list[list[Any]]:
    """Draw a way to cut ``items`` into batches, in order."""
    edges = sorted(draw(st.sets(st.integers(1, max(1, len(items) - 1)), max_size=6)))
    starts, ends = [0, *edges], [*edges, len(items)]
    return [items[start:end] for start, end in zip(starts, ends, strict=True) if start < end]

"""Renders a live stream for a terminal: one line per symbol, states and totals below."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from stockctl.cli.output.columns import Cell
from stockctl.cli.output.messages import escape_control
from stockctl.formatting import format_age, format_seconds
from stockctl.market.alert import format_price
from stockctl.market.timestamp import to_datetime
from stockctl.monitoring import metrics
from stockctl.monitoring.health import BREAKER, CONNECTION, DELIVERY, HEALTH, MARKET, TrackedState
from stockctl.monitoring.latest_quotes import LatestQuotes, QuoteRow
from stockctl.monitoring.metrics import Kind, RunMetrics, Severity

if TYPE_CHECKING:
    from rich.text import Text

_HEADERS = ("SYMBOL", "PRICE", "CHANGE", "AGE", "COUNT")
_GAP, _BLOCK_GAP = 2, 5
_NARROWEST_BLOCK = 24
_ALERT_LINES = 4
_TALL_TERMINAL_LINES = 16
"""Terminals of at least this height leave some lines free for alerts."""
_REASON_LINES = 2
AGE_UPDATE_SECONDS = 5.0
_STYLES = {Severity.NORMAL: "", Severity.WARNING: "yellow", Severity.ERROR: "red"}


class View(NamedTuple):
    """What to render, and the size of the terminal."""

    quotes: LatestQuotes
    run: RunMetrics
    states: Mapping[str, TrackedState]
    width: int
    height: int
    now: datetime


class LiveRenderer:
    """Renders views; while only the time differs, returns the same text again.

    If nothing else changes, ages are updated every ``AGE_UPDATE_SECONDS``, so that a quiet stream needs
    almost no CPU time.
    """

    def __init__(self) -> None:
        self._view: View | None = None
        self._text: Text | None = None

    def render(self, view: View) -> "Text":
        """Return the text of ``view``."""
        before = self._view
        if before is None or self._text is None or _differs(before, view):
            self._view, self._text = view, render(view)
        return self._text


def _differs(before: View, view: View) -> bool:
    passed = (view.now - before.now).total_seconds()
    return not 0 <= passed < AGE_UPDATE_SECONDS or view._replace(now=before.now) != before


def render(view: View) -> "Text":
    """Return lines that are narrower than the terminal, and fewer than it is high."""
    from rich.text import Text

    height = view.height - 1 - (_ALERT_LINES if view.height >= _TALL_TERMINAL_LINES else 0)
    below = [*_states(view), *_totals(view)][: max(1, height)]
    lines = [*_grid(view, height - len(below)), *below]
    for line in lines:
        line.truncate(view.width - 1, overflow="ellipsis")
    return Text("\n", no_wrap=True, overflow="crop").join(lines)


def _grid(view: View, height: int) -> "list[Text]":
    """Return the symbols in as many columns as fit side by side, ``height`` lines at most."""
    from rich.text import Text

    total = view.quotes.totals().symbols
    rows = height - 1
    if rows < 1 or not total:
        return []
    limit = rows * max(1, view.width // _NARROWEST_BLOCK)
    candidates = view.quotes.rows(limit)
    widths = _widths([_cells(quote, view.now) for quote in candidates], view.width - 1)
    blocks = max(1, (view.width - 1 + _BLOCK_GAP) // (_block_width(widths) + _BLOCK_GAP))
    if total > rows * blocks:
        rows -= 1
    room = rows * blocks
    shown = candidates[:room] if total > limit else view.quotes.rows(room)
    cells = [_cells(quote, view.now) for quote in shown]
    if not cells:
        return []
    rows = -(-len(cells) // -(-len(cells) // rows))
    columns = [cells[first : first + rows] for first in range(0, len(cells), rows)]
    grid = [_row([_header()] * len(columns), widths, "bold")]
    grid += [_row([column[row] for column in columns if row < len(column)], widths) for row in range(rows)]
    if total > len(cells):
        grid.append(Text(f"... and {total - len(cells):,} more", "dim"))
    return grid


def _header() -> list[Cell]:
    return [Cell(header) for header in _HEADERS]


def _cells(quote: QuoteRow, now: datetime) -> list[Cell]:
    change = quote.change_percent
    style = "" if not change else "green" if change > 0 else "red"
    return [
        Cell(quote.symbol, "bold"),
        Cell(format_price(quote.price)),
        Cell("–", "dim") if change is None else Cell(f"{change:+.2f} %", style),
        Cell(format_age((now - to_datetime(quote.timestamp)).total_seconds())),
        Cell(f"{quote.quotes:,}", "dim"),
    ]


def _widths(rows: Sequence[Sequence[Cell]], width: int) -> list[int]:
    """Return the widths of the columns that fit; on a narrow terminal the last columns are dropped."""
    widths = [max(len(cell.text) for cell in column) for column in zip(_header(), *rows, strict=True)]
    while len(widths) > 2 and _block_width(widths) > width:
        widths.pop()
    return widths


def _block_width(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _row(blocks: Sequence[Sequence[Cell]], widths: Sequence[int], style: str = "") -> "Text":
    from rich.text import Text

    line = Text(style=style)
    for block, cells in enumerate(blocks):
        line.append(" " * _BLOCK_GAP if block else "")
        for column, (cell, width) in enumerate(zip(cells, widths, strict=False)):
            padded = cell.text.rjust(width) if column else cell.text.ljust(width)
            line.append(" " * _GAP if column else "").append(padded, cell.style or None)
    return line


def _states(view: View) -> "list[Text]":
    """Return the state of the delivery, and other states that are not normal."""
    from rich.text import Text

    lines = []
    for state in view.states.values():
        text = _state_text(state, view.now)
        if state.subject == DELIVERY:
            text = f"{view.run.source}: {text}"
        style = "red" if state.subject == HEALTH else "yellow" if state.is_bad else "green"
        lines += [Text(part, style) for part in _wrapped(escape_control(text), view.width - 1)]
    return lines


def _state_text(state: TrackedState, now: datetime) -> str:
    """Return a description of the state; empty for a normal state."""
    lasted = format_age((now - state.since).total_seconds())
    left = "" if state.until is None else format_age((state.until - now).total_seconds())
    texts = {
        (DELIVERY, "delivering"): f"delivering for {lasted}",
        (DELIVERY, "waiting"): f"waiting for {lasted}: {state.reason}",
        (MARKET, "closed"): f"the market is closed and opens in {left}" if left else "the market is closed",
        (BREAKER, "open"): f"rate limited: the source sends no requests for {left or 'a while'}",
        (BREAKER, "half-open"): "rate limited: the source tests whether it may send requests again",
        (CONNECTION, "down"): f"the source has been disconnected for {lasted}",
        (HEALTH, "hung"): f"hung: {state.reason}",
    }
    return texts.get((state.subject, state.name), "")


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, max(width, 20), max_lines=_REASON_LINES, placeholder=" ...")


def _totals(view: View) -> "list[Text]":
    """Return the totals, as many per line as fit."""
    from rich.text import Text

    lines: list[Text] = []
    for cell in _total_cells(view.run):
        item = Text(cell.text, cell.style)
        if lines and lines[-1].cell_len + 3 + item.cell_len < view.width:
            lines[-1].append(" · ", "dim").append(item)
        else:
            lines.append(Text().append(item))
    return lines


def _total_cells(run: RunMetrics) -> Iterator[Cell]:
    for metric in metrics.METRICS:
        count = metric.read(run)
        if metric.kind in (Kind.COUNTER, Kind.GAUGE) and metric.live_view.allows(count):
            yield Cell(f"{metric.title} {count:,}", _STYLES[metric.severity] if count else "dim")
    for name, quantiles in metrics.quantiles(lambda metric: metric.live_view).items():
        lags = (f"{part} {_lag(metric.read(run))}" for part, metric in quantiles)
        yield Cell(f"{name} {', '.join(lags)}")


def _lag(seconds: object) -> str:
    return format_seconds(seconds) if isinstance(seconds, float) else "–"


def current_time() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)

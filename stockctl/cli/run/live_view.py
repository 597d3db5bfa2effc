"""What a live stream looks like on a terminal: a line a symbol, and below them the totals."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from stockctl.cli.output.tables import Cell
from stockctl.cli.output.terminal import escape_control
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
"""Lines of a terminal from which on some are left for what scrolls by."""
_REASON_LINES = 2
AGE_UPDATE_SECONDS = 5.0
_STYLES = {Severity.NORMAL: "", Severity.WARNING: "yellow", Severity.ERROR: "red"}


class View(NamedTuple):
    """What there is to draw, and how much room."""

    board: LatestQuotes
    figures: RunMetrics
    conditions: Mapping[str, TrackedState]
    width: int
    height: int
    now: datetime


class LiveRenderer:
    """Makes pictures, and the same one again for a while when nothing but the time is another.

    Then ages go on every ``AGE_UPDATE_SECONDS`` seconds, so that a quiet night costs next to nothing.
    """

    def __init__(self) -> None:
        self._view: View | None = None
        self._picture: Text | None = None

    def picture(self, view: View) -> "Text":
        """Return the picture of ``view``."""
        before = self._view
        if before is None or self._picture is None or _differs(before, view):
            self._view, self._picture = view, render(view)
        return self._picture


def _differs(before: View, view: View) -> bool:
    passed = (view.now - before.now).total_seconds()
    return not 0 <= passed < AGE_UPDATE_SECONDS or view._replace(now=before.now) != before


def render(view: View) -> "Text":
    """Return the lines to show, none as wide as the terminal, and fewer than it is high."""
    from rich.text import Text

    most = view.height - 1 - (_ALERT_LINES if view.height >= _TALL_TERMINAL_LINES else 0)
    below = [*_conditions(view), *_totals(view)][: max(1, most)]
    lines = [*_grid(view, most - len(below)), *below]
    for line in lines:
        line.truncate(view.width - 1, overflow="ellipsis")
    return Text("\n", no_wrap=True, overflow="crop").join(lines)


def _grid(view: View, height: int) -> "list[Text]":
    """Return the symbols in as many columns as fit beside each other, ``height`` lines at most."""
    from rich.text import Text

    total = view.board.totals().symbols
    rows = height - 1
    if rows < 1 or not total:
        return []
    bound = rows * max(1, view.width // _NARROWEST_BLOCK)
    candidates = view.board.rows(bound)
    widths = _widths([_cells(line, view.now) for line in candidates], view.width - 1)
    blocks = max(1, (view.width - 1 + _BLOCK_GAP) // (_block_width(widths) + _BLOCK_GAP))
    if total > rows * blocks:
        rows -= 1
    most = rows * blocks
    lines = candidates[:most] if total > bound else view.board.rows(most)
    cells = [_cells(line, view.now) for line in lines]
    if not cells:
        return []
    rows = -(-len(cells) // -(-len(cells) // rows))
    stacks = [cells[first : first + rows] for first in range(0, len(cells), rows)]
    grid = [_row([_header()] * len(stacks), widths, "bold")]
    grid += [_row([stack[row] for stack in stacks if row < len(stack)], widths) for row in range(rows)]
    if total > len(cells):
        grid.append(Text(f"... and {total - len(cells):,} more", "dim"))
    return grid


def _header() -> list[Cell]:
    return [Cell(header) for header in _HEADERS]


def _cells(line: QuoteRow, now: datetime) -> list[Cell]:
    change = line.change_percent
    style = "" if not change else "green" if change > 0 else "red"
    return [
        Cell(line.symbol, "bold"),
        Cell(format_price(line.price)),
        Cell("–", "dim") if change is None else Cell(f"{change:+.2f} %", style),
        Cell(format_age((now - to_datetime(line.timestamp)).total_seconds())),
        Cell(f"{line.quotes:,}", "dim"),
    ]


def _widths(rows: Sequence[Sequence[Cell]], width: int) -> list[int]:
    """Return the widths of the columns that fit; the last ones give way on a narrow terminal."""
    widths = [max(len(cell.text) for cell in column) for column in zip(_header(), *rows, strict=True)]
    while len(widths) > 2 and _block_width(widths) > width:
        widths.pop()
    return widths


def _block_width(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _row(blocks: Sequence[Sequence[Cell]], widths: Sequence[int], style: str = "") -> "Text":
    from rich.text import Text

    line = Text(style=style)
    for number, cells in enumerate(blocks):
        line.append(" " * _BLOCK_GAP if number else "")
        for place, (cell, width) in enumerate(zip(cells, widths, strict=False)):
            padded = cell.text.rjust(width) if place else cell.text.ljust(width)
            line.append(" " * _GAP if place else "").append(padded, cell.style or None)
    return line


def _conditions(view: View) -> "list[Text]":
    """Return how it stands with the delivery, and what else is not as it mostly is."""
    from rich.text import Text

    lines = []
    for condition in view.conditions.values():
        words = _condition_text(condition, view.now)
        if condition.subject == DELIVERY:
            words = f"{view.figures.source}: {words}"
        style = "red" if condition.subject == HEALTH else "yellow" if condition.is_bad else "green"
        lines += [Text(part, style) for part in _wrapped(escape_control(words), view.width - 1)]
    return lines


def _condition_text(condition: TrackedState, now: datetime) -> str:
    """Return a condition in words; none when it is not worth any."""
    lasted = format_age((now - condition.since).total_seconds())
    left = "" if condition.until is None else format_age((condition.until - now).total_seconds())
    words = {
        (DELIVERY, "delivering"): f"delivering for {lasted}",
        (DELIVERY, "waiting"): f"waiting for {lasted}: {condition.reason}",
        (MARKET, "closed"): f"the market is closed, and opens in {left}" if left else "the market is closed",
        (BREAKER, "open"): f"too many requests: the source asks nothing for {left or 'a while'}",
        (BREAKER, "half-open"): "too many requests: the source finds out whether it may ask again",
        (CONNECTION, "down"): f"the source's connection is down for {lasted}",
        (HEALTH, "hung"): f"hung: {condition.reason}",
    }
    return words.get((condition.subject, condition.name), "")


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, max(width, 20), max_lines=_REASON_LINES, placeholder=" ...")


def _totals(view: View) -> "list[Text]":
    """Return the totals, as many to a line as fit."""
    from rich.text import Text

    lines: list[Text] = []
    for cell in _total_cells(view.figures):
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
    """Return the time of day."""
    return datetime.now(UTC)

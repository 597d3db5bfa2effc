"""The live view: what it shows in how much room, and what it leaves on a terminal."""

import io
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Event, RLock, Thread, current_thread, main_thread

import pytest
from rich.console import Console, ConsoleDimensions
from rich.text import Text

from stockctl.cli.run.live_display import LiveDisplay, SharedConsole
from stockctl.cli.run.live_view import AGE_UPDATE_SECONDS, LiveRenderer, View, render
from stockctl.market.quote import Quote
from stockctl.monitoring.health import HealthCheck, StateTracker
from stockctl.monitoring.latest_quotes import LatestQuotes
from support.cli.command import SECONDS
from support.cli.screen import Screen
from support.run_figures import figures

NOW = datetime(2026, 1, 5, 15, 1, 30, tzinfo=UTC)
SIZES = [(20, 6), (40, 10), (60, 20), (80, 24), (120, 40), (200, 50), (400, 100)]


def board_of(symbols: int) -> LatestQuotes:
    """Return a board of symbols, each further from its close than the one before."""
    board = LatestQuotes()
    board.add([quote(f"SYM{number}", Decimal(100) + Decimal(number) / 100) for number in range(symbols)])
    return board


def quote(symbol: str, price: Decimal, close: Decimal | None = Decimal(100)) -> Quote:
    """Return a quote of 15:00."""
    return Quote(symbol, "2026-01-05T15:00:00.000Z", price, close, None, None, None, None, "test", None)


def shown(board: LatestQuotes, width: int = 120, height: int = 40, *, since: int = 0, **changed) -> Text:
    """Return the picture at NOW of figures that began to be so ``since`` seconds before."""
    all_figures = figures(**{"symbols": board.totals().symbols, **changed})
    conditions = StateTracker(lambda: NOW - timedelta(seconds=since))
    conditions.update(all_figures.states())
    return render(View(board, all_figures, conditions.current, width, height, NOW))


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("symbols", [0, 1, 5, 300, 5000])
def test_it_fits_and_counts_what_does_not(symbols: int, width: int, height: int):
    """No line as wide as the terminal, none too many, and all symbols are either there or counted."""
    lines = shown(board_of(symbols), width, height).plain.split("\n")
    assert len(lines) < height
    assert max(map(len, lines)) < width
    there = re.findall(r"\bSYM\d+\b", "\n".join(lines))
    assert len(set(there)) == len(there)
    more = re.search(r"^\.\.\. and ([\d,]+) more$", "\n".join(lines), re.MULTILINE)
    hidden = int(more[1].replace(",", "")) if more else 0
    assert not there or len(there) + hidden == symbols
    assert height < 20 or len(there) >= min(symbols, 8)


def test_few_symbols_stand_one_below_the_other():
    """A second column begins when the first is full."""
    assert shown(board_of(9), 200, 40).plain.split("\n")[0].count("SYMBOL") == 1
    assert shown(board_of(40), 200, 40).plain.split("\n")[0].count("SYMBOL") == 2


@pytest.mark.parametrize(("width", "columns"), [(60, 1), (120, 3), (200, 5)])
def test_a_wide_terminal_has_several_columns(width: int, columns: int):
    """As many as fit, each with its header, and the rows are used up."""
    header, *rows = shown(board_of(300), width, 40).plain.split("\n")
    assert header.split() == ["SYMBOL", "PRICE", "CHANGE", "AGE", "COUNT"] * columns
    assert len(re.findall(r"SYM\d+", "".join(rows))) >= 28 * columns


def test_a_line_tells_price_change_age_and_count():
    """As people write them, aligned under their names."""
    board = LatestQuotes()
    board.add([quote("AAPL", Decimal("187.4")), quote("PENNY", Decimal("0.01234"), Decimal("0.0130"))])
    board.add([quote("NEW", Decimal(50), None), quote("AAPL", Decimal("187.44"))])
    assert shown(board).plain.split("\n")[:4] == [
        "SYMBOL    PRICE    CHANGE  AGE  COUNT",
        "AAPL     187.44  +87.44 %   1m      2",
        "NEW       50.00         –   1m      1",
        "PENNY   0.01234   -5.08 %   1m      1",
    ]


def test_a_change_has_a_colour():
    """Green above zero, red below, none at zero."""
    board = LatestQuotes()
    board.add([quote("UP", Decimal(101)), quote("DOWN", Decimal(99)), quote("SAME", Decimal(100))])
    console = Console(
        file=io.StringIO(), force_terminal=True, color_system="standard", width=120, _environ={}
    )
    console.print(shown(board))
    text = console.file.getvalue()
    assert "\x1b[32m+1.00 %\x1b[0m" in text
    assert "\x1b[31m-1.00 %\x1b[0m" in text
    assert "m+0.00 %" not in text


def test_without_colours_the_signs_remain():
    """NO_COLOR leaves the same words."""
    board = LatestQuotes()
    board.add([quote("UP", Decimal(101))])
    console = Console(file=io.StringIO(), force_terminal=True, width=120, _environ={"NO_COLOR": "1"})
    console.print(shown(board))
    assert "+1.00 %" in console.file.getvalue()
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", console.file.getvalue())


def test_when_not_all_fit_those_stay_that_moved_most():
    """The others are counted."""
    lines = shown(board_of(300), 60, 20).plain.split("\n")
    first = [re.match(r"SYM(\d+)", line) for line in lines[1:]]
    numbers = [int(match[1]) for match in first if match]
    assert numbers == list(range(299, 299 - len(numbers), -1))


def test_a_narrow_terminal_keeps_symbol_and_price():
    """What tells least gives way first."""
    header = shown(board_of(3), 24, 20).plain.split("\n")[0]
    assert header.split() == ["SYMBOL", "PRICE", "CHANGE"]
    assert shown(board_of(3), 18, 20).plain.split("\n")[0].split() == ["SYMBOL", "PRICE"]


def test_totals_are_all_there():
    """Counts, lag and how it stands."""
    text = shown(board_of(1), 200, since=90).plain
    assert "feed: delivering for 1m\n" in text
    assert text.endswith(
        "sent 1,234 · waiting 5 · retried 6 · refused 7 · throttled 8 · dropped 10 · possibly duplicated 9"
        " · alerts 11 · lag p50 12 ms, p99 4.5 s"
    )
    assert "reconnects 3" in shown(board_of(1), 200, reconnects=3).plain
    assert "lag p50 –, p99 2m" in shown(board_of(1), 200, lag_p50=None, lag_p99=130.0).plain


CONDITIONS = [
    ({"fault": "Kinesis does not answer."}, "feed: waiting for 1m: Kinesis does not answer."),
    ({"market_closed": True, "market_opens_at": NOW + timedelta(hours=17)},
     "the market is closed and opens in 17h"),
    ({"market_closed": True}, "the market is closed"),
    ({"breaker": "open", "breaker_until": NOW + timedelta(seconds=240)},
     "rate limited: the source sends no requests for 4m"),
    ({"breaker": "half-open"}, "rate limited: the source tests whether it may send requests again"),
    ({"connected": False}, "the source has been disconnected for 1m"),
    ({"health": HealthCheck(False, "the delivery sleeps")}, "hung: the delivery sleeps"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "words"), CONDITIONS, ids=[words for _, words in CONDITIONS])
def test_what_is_not_as_it_should_be_is_said(changed: dict, words: str):
    """In a line of its own, for how long, and why."""
    assert words in shown(board_of(1), since=60, **changed).plain.split("\n")


def test_what_is_as_it_should_be_is_not_said():
    """An open market needs no line."""
    told = {"breaker": "closed", "market_closed": False, "connected": True, "reconnects": 0}
    _, _, delivery, *totals = shown(board_of(1), 200, **told).plain.split("\n")
    assert delivery == "feed: delivering for 0s"
    assert len(totals) == 1


def test_a_long_or_hostile_reason_takes_two_lines_and_moves_no_cursor():
    """What a server says is shown escaped, and cut."""
    lines = shown(board_of(1), 60, fault="refused \x1b[2J " + "blah " * 100).plain.split("\n")
    reason = [line for line in lines if "blah" in line]
    assert len(reason) == 2
    assert "\\x1b[2J" in reason[0]
    assert "\x1b" not in "".join(lines)
    assert reason[1].endswith("...")


def test_while_nothing_comes_only_ages_go_on():
    """Every few seconds; anything else shows at once."""
    renderer, board = LiveRenderer(), board_of(1)
    view = View(board, figures(), {}, 80, 24, NOW)
    first = renderer.render(view)
    later = view._replace(now=NOW + timedelta(seconds=AGE_UPDATE_SECONDS - 1))
    assert renderer.render(later) is first
    assert renderer.render(view._replace(now=NOW + timedelta(seconds=AGE_UPDATE_SECONDS))) is not first
    for changed in ({"run": figures(sent=9999)}, {"width": 60}, {"height": 12}):
        assert renderer.render(later._replace(**changed)).plain == render(later._replace(**changed)).plain


class Drawn:
    """A display on a small terminal."""

    def __init__(self, width: int = 40, height: int = 10) -> None:
        self.console = SharedConsole()
        self.console.file = self._file = io.StringIO()
        self.console.size = ConsoleDimensions(width, height)
        self.console._force_terminal = self.console.is_interactive = True
        self.console._environ = {"TERM": "xterm"}
        self.screen = Screen(width)
        self.picture = "one\ntwo"
        self.ready = True
        self.display = LiveDisplay(
            self.console, lambda width, height: Text(self.picture), ready=lambda: self.ready
        )
        self._read = 0

    def seen(self) -> list[str]:
        """Return what can be read now."""
        self.screen.feed(self.news())
        return self.screen.lines

    def news(self) -> str:
        """Return what was written since the last look."""
        written = self._file.getvalue()
        news, self._read = written[self._read :], len(written)
        return news

    def redraw(self) -> None:
        """Look again, whatever time it is."""
        self.display._next_refresh = 0.0
        self.display.refresh()


@pytest.fixture
def drawn():
    """A display that has begun."""
    drawn = Drawn()
    drawn.display.start()
    yield drawn
    drawn.display.stop()


def test_a_picture_takes_the_place_of_the_one_before(drawn: Drawn):
    """Longer or shorter."""
    assert drawn.seen() == ["one", "two"]
    drawn.picture = "1\n2\n3"
    drawn.redraw()
    assert drawn.seen() == ["1", "2", "3"]
    drawn.picture = "last"
    drawn.redraw()
    assert drawn.seen() == ["last"]
    assert not drawn.screen.cursor_shown


def test_nothing_is_written_when_nothing_changed(drawn: Drawn):
    """Not a byte."""
    drawn.news()
    drawn.redraw()
    assert drawn.news() == ""


def test_drawing_takes_no_more_than_its_share(drawn: Drawn):
    """Right after a picture there is not another one."""
    drawn.news()
    drawn.display._next_refresh = float("inf")
    drawn.picture = "other"
    drawn.display.refresh()
    assert drawn.news() == ""


def test_no_picture_is_drawn_that_would_have_to_wait(drawn: Drawn):
    """The next one is that of its own time."""
    drawn.news()
    drawn.ready, drawn.picture = False, "missed"
    drawn.redraw()
    assert drawn.news() == ""
    drawn.ready, drawn.picture = True, "seen"
    drawn.redraw()
    assert "seen" in drawn.news()


def test_what_is_said_scrolls_by_above(drawn: Drawn):
    """An alert stands above the picture, and stays when it is gone."""
    drawn.console.print("an alert")
    assert drawn.seen() == ["an alert", "one", "two"]
    drawn.picture = "three"
    drawn.redraw()
    assert drawn.seen() == ["an alert", "three"]
    drawn.display.stop()
    assert drawn.seen() == ["an alert"]
    assert drawn.screen.cursor_shown


def test_a_narrower_terminal_is_left_without_remains(drawn: Drawn):
    """Lines that the terminal has wrapped are cleared with the rest."""
    drawn.console.print("an alert")
    drawn.picture = f"{'a' * 38}\n{'b' * 38}\nshort"
    drawn.redraw()
    drawn.seen()
    drawn.console.size = ConsoleDimensions(15, 10)
    drawn.screen.narrow(15)
    assert len(drawn.screen.lines) == 8
    drawn.picture = "c\nd"
    drawn.redraw()
    assert drawn.seen() == ["an alert", "c", "d"]


class Gate:
    """A lock of a console; it tells when another thread than the main one wants it."""

    def __init__(self) -> None:
        self._lock = RLock()
        self.wanted = Event()

    def acquire(self) -> None:
        if current_thread() is not main_thread():
            self.wanted.set()
        self._lock.acquire()

    def release(self) -> None:
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def test_what_is_said_while_it_ends_brings_no_picture_back(drawn: Drawn):
    """A thread whose time is over may be about to write an alert."""
    assert drawn.seen() == ["one", "two"]
    gate = drawn.console._print_lock = Gate()
    speaker = Thread(target=drawn.console.print, args=("an alert",))
    with gate:
        speaker.start()
        assert gate.wanted.wait(SECONDS)
        drawn.display.stop()
    speaker.join()
    assert drawn.seen() == ["an alert"]
    assert drawn.screen.cursor_shown


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_several_threads_print_while_it_is_drawn(drawn: Drawn, hasty: None):
    """Whatever the heights, every line stands above the picture once, in order, and nothing else."""
    done = Event()

    def speak(name: str) -> None:
        for number in range(60):
            drawn.console.print(f"{name}{number}")

    def draw() -> None:
        height = 0
        while not done.is_set():
            height = height % 7 + 1
            drawn.picture = "\n".join(f"row {row}" for row in range(height))
            drawn.redraw()

    speakers = [Thread(target=speak, args=(name,)) for name in "ab"]
    drawer = Thread(target=draw)
    for thread in (drawer, *speakers):
        thread.start()
    for thread in speakers:
        thread.join()
    done.set()
    drawer.join()
    drawn.picture = "last"
    drawn.redraw()
    *said, last = drawn.seen()
    assert last == "last"
    assert [line for line in said if line.startswith("a")] == [f"a{number}" for number in range(60)]
    assert [line for line in said if line.startswith("b")] == [f"b{number}" for number in range(60)]
    assert len(said) == 120

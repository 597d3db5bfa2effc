"""The last prices, stored in a file beside the outbox from one run to the next."""

import logging
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from stockctl.market.plausibility import (
    Action,
    Judgement,
    LastPrice,
    PlausibilityChecker,
    QuoteIssue,
    SuspectedLevel,
)
from stockctl.market.quote import Quote
from stockctl.producer.outbox.paths import PRICES, beside
from stockctl.sources.price_store import SqlitePriceStore

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
FIRST = LastPrice(Decimal("72.123456"), "2026-03-02T14:00:00.000Z")
SUSPECTED = LastPrice(
    Decimal(72),
    "2026-03-02T14:00:00.000Z",
    SuspectedLevel(Decimal(7200), FIRST.timestamp, "2026-03-02T14:00:30.000Z", 2),
)


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    """An outbox file, which only needs to exist."""
    path = tmp_path / "outbox.db"
    path.touch()
    return path


def quote(price: int, time: str, close: int | None = None, symbol: str = "VOD.L") -> Quote:
    """Return a quote of a time on the second of March."""
    known = None if close is None else Decimal(close)
    return Quote(
        symbol, f"2026-03-02T{time}.000Z", Decimal(price), known, None, None, None, None, "feed", None
    )


def run(outbox: Path, *quotes: Quote) -> list[Judgement]:
    """Check quotes as one run does, from its start to its end."""
    store = SqlitePriceStore(outbox)
    judge = PlausibilityChecker(store=store)
    verdicts = [judge.judge(one, NOW) for one in quotes]
    store.close()
    return verdicts


def test_prices_and_doubts_come_back_exactly(outbox: Path) -> None:
    """Each once, because the next run updates them."""
    store = SqlitePriceStore(outbox)
    store.store("A", SUSPECTED)
    store.store("B", SUSPECTED)
    store.flush()
    store.store("A", FIRST)
    store.close()
    later = SqlitePriceStore(outbox)
    assert [later.load(symbol) for symbol in "ABC"] == [FIRST, SUSPECTED, None]
    assert later.load("A") is None


def test_a_wrong_unit_after_a_restart_is_refused(outbox: Path) -> None:
    """And the right price after it is accepted."""
    run(outbox, quote(72, "10:00:00", 71))
    wrong, right = run(outbox, quote(7200, "10:00:30", 7100), quote(73, "10:01:00", 71))
    assert (wrong.action, wrong.issue) == (Action.REJECT, QuoteIssue.SCALE)
    assert "is off by a factor of 100 from the last price, 72" in wrong.reason
    assert right.action is Action.ACCEPT


def test_a_split_over_a_restart_is_believed(outbox: Path) -> None:
    """At once after a break, if the previous close agrees."""
    run(outbox, quote(7200, "06:00:00", 7100))
    [split] = run(outbox, quote(72, "14:00:00", 71))
    assert (split.action, split.issue) == (Action.FLAG, QuoteIssue.RESCALED)


def test_a_level_that_lasts_is_believed_however_often_the_program_starts(outbox: Path) -> None:
    """Otherwise a program that is started for each poll would reject a new level for ever."""
    run(outbox, quote(7200, "14:00:00"))
    times = ("14:01:00", "14:01:30", "14:02:00", "14:02:30", "14:03:00")
    actions = [run(outbox, quote(72, time))[0].action for time in times]
    assert actions == [Action.REJECT, Action.REJECT, Action.REJECT, Action.FLAG, Action.FLAG]


def test_what_is_older_than_the_last_price_is_not_judged_by_it(outbox: Path) -> None:
    """A file that is read again from its start passes through the same levels again."""
    quotes: Sequence[Quote] = [
        quote(7200, "06:00:00", 7100), quote(72, "14:00:00", 71), quote(73, "14:00:30", 71),
    ]  # fmt: skip
    first, again = run(outbox, *quotes), run(outbox, *quotes)
    assert [verdict.action for verdict in first] == [Action.ACCEPT, Action.FLAG, Action.ACCEPT]
    assert again == first
    [unchanged] = run(outbox, quotes[-1])
    assert unchanged.action is Action.ACCEPT


def test_the_oldest_are_forgotten_beyond_a_bound(outbox: Path) -> None:
    """The file does not grow without limit."""
    store = SqlitePriceStore(outbox, max_symbols=2)
    for number, symbol in enumerate("ABC"):
        store.store(symbol, FIRST._replace(timestamp=f"2026-03-02T14:00:0{number}.000Z"))
    store.close()
    later = SqlitePriceStore(outbox)
    assert [later.load(symbol) is not None for symbol in "ABC"] == [False, True, True]


def test_nothing_is_written_beside_an_outbox_that_is_gone(tmp_path: Path) -> None:
    """A teardown has removed both."""
    store = SqlitePriceStore(tmp_path / "outbox.db")
    store.store("A", FIRST)
    store.close()
    assert list(tmp_path.iterdir()) == []


def damage(path: Path, how: str) -> None:
    """Replace the file with something invalid."""
    if how == "text":
        path.write_text("this is no database, but long enough to be read as one" * 100)
    elif how == "folder":
        path.mkdir()
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE prices (mine)")
        connection.close()


@pytest.mark.parametrize("how", ["text", "folder", "foreign"])
def test_a_file_that_cannot_be_used_is_said_once_and_left_alone(
    outbox: Path, how: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run continues, and checks quotes by those of this run."""
    monkeypatch.setattr(logging.getLogger("stockctl"), "propagate", True)
    path = beside(outbox, PRICES)
    damage(path, how)
    before = path.read_bytes() if path.is_file() else None
    verdicts = run(outbox, quote(7200, "10:00:00"), quote(72, "10:00:30"))
    assert [verdict.accepted for verdict in verdicts] == [True, False]
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert str(path) in record.getMessage()
    assert (path.read_bytes() if path.is_file() else None) == before


def test_a_row_that_cannot_be_true_is_not_believed(outbox: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The file was edited."""
    run(outbox, quote(72, "10:00:00"))
    with sqlite3.connect(beside(outbox, PRICES)) as connection:
        connection.execute("UPDATE prices SET price = 'much'")
    connection.close()
    [verdict] = run(outbox, quote(7200, "10:00:30"))
    assert verdict.accepted


@pytest.mark.parametrize("column", ["since", "newest", "confirmations"])
def test_a_doubt_that_is_not_whole_is_not_believed(
    outbox: Path, column: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not prevent a start."""
    monkeypatch.setattr(logging.getLogger("stockctl"), "propagate", True)
    store = SqlitePriceStore(outbox)
    store.store("VOD.L", SUSPECTED)
    store.close()
    with sqlite3.connect(beside(outbox, PRICES)) as connection:
        connection.execute(f"UPDATE prices SET {column} = NULL")
    connection.close()
    [verdict] = run(outbox, quote(7200, "10:00:30"))
    assert verdict.accepted
    assert "cannot be kept in" in caplog.text

"""Signals that come at any moment: what the main thread holds then keeps nobody waiting."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, get_ident

import pytest

from stockctl.cli.run.signals import ForcedStop, reload_signal, stop_signals
from stockctl.monitoring.latest_quotes import LatestQuotes

SECONDS = 30


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail when the block takes longer, even in a handler."""

    def fail(number: int, frame: object) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_sighup_while_a_tick_is_noted_waits_for_nothing():
    """The board's lock is held in the thread that the handler interrupts; the work is done after that."""
    board, done = LatestQuotes(), Event()

    def reload() -> None:
        board.retain(["AAPL"])
        done.set()

    with stop_signals() as signals, reload_signal(reload, signals):
        with board._lock, within(SECONDS):
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGHUP)
            assert not done.is_set()
        assert done.wait(SECONDS)
    assert not signals.stop.is_set()


def test_a_wish_to_stop_while_the_main_thread_begins_to_wait_for_one():
    """The lock of the event itself is held then."""
    with stop_signals() as signals:
        with signals.stop._cond, within(SECONDS):
            signal.raise_signal(signal.SIGTERM)
        assert signals.stop.wait(SECONDS)
    assert not signals.interrupted


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_interrupts(number: int, code: int):
    """With the exit code of a process which that signal has ended."""
    with stop_signals() as signals:
        signal.raise_signal(number)
        with pytest.raises(ForcedStop) as stopped:
            signal.raise_signal(number)
    assert stopped.value.exit_code == code
    assert signals.interrupted == (number == signal.SIGINT)


def test_who_ends_the_process_at_once_is_asked_in_another_thread():
    """So that it does not depend on what the main thread does."""
    asked, threads = Event(), []

    def at_once(number: int) -> None:
        threads.append(get_ident())
        asked.set()

    with stop_signals() as signals:
        signals.force_stop = at_once
        with signals.stop._cond, within(SECONDS):
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
        assert asked.wait(SECONDS)
    assert threads != [get_ident()]

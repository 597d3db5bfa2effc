"""Concurrent calls: order of results, limit, failures, interrupts."""

import signal
import threading
from types import FrameType

import pytest

from stockctl.backends.aws import parallel as module
from stockctl.backends.aws.parallel import Parallel


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set as soon as no further call starts."""
    noticed = threading.Event()

    class NotingEvent(threading.Event):
        def set(self) -> None:
            super().set()
            noticed.set()

    monkeypatch.setattr(module, "Event", NotingEvent)
    return noticed


def test_results_come_in_the_order_of_the_items(parallel: Parallel):
    """A slow first call does not move its result."""
    others = threading.Barrier(3)
    first_may_end = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert first_may_end.wait(60)
        else:
            others.wait(60)
            first_may_end.set()
        return item * item

    assert parallel.map(work, [0, 1, 2, 3]) == [0, 1, 4, 9]
    assert parallel.map(work, []) == []


def test_as_many_calls_at_once_as_there_are_workers():
    """Three workers meet at a barrier for three, and a fourth call waits for one of them."""
    pool = Parallel(3)
    meeting = threading.Barrier(3)
    running, most = 0, 0
    lock = threading.Lock()

    def work(_: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        meeting.wait(60)
        with lock:
            running -= 1

    pool.map(work, range(9))
    pool.close()
    assert most == 3


def test_a_failure_is_raised_when_nothing_runs_any_more(closed: threading.Event):
    """Calls under way end first, calls that have not begun never begin."""
    pool = Parallel(2)
    begun: list[int] = []
    ended: list[int] = []
    both = threading.Barrier(2)

    def work(item: int) -> None:
        begun.append(item)
        both.wait(60)
        if item == 0:
            raise OSError("no")
        assert closed.wait(60)
        threading.Event().wait(0.05)  # a failure that does not wait for this call is raised meanwhile
        ended.append(item)

    with pytest.raises(OSError, match="no"):
        pool.map(work, range(1000))
    at_the_raise = list(begun), list(ended)
    pool.close()
    assert (begun, ended) == at_the_raise
    assert (sorted(begun), ended) == ([0, 1], [1])


def test_one_item_needs_no_thread(parallel: Parallel):
    """A single call is made by the caller itself."""
    assert parallel.map(lambda _: threading.current_thread(), [1]) == [threading.current_thread()]


def test_an_interrupt_leaves_no_call_behind(closed: threading.Event):
    """After Ctrl-C no further call begins."""
    pool = Parallel(1)
    pool.map(str, [0, 1])
    closed.clear()
    interrupted = threading.Event()
    done: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not interrupted.is_set():
            interrupted.set()
            raise KeyboardInterrupt

    def work(item: int) -> None:
        if item == 0:
            # A signal just before the main thread waits is noticed after that wait only: one more ends it.
            while not interrupted.wait(0.01):
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            assert closed.wait(60)
        done.append(item)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            pool.map(work, range(500))
    finally:
        signal.signal(signal.SIGINT, before)
    pool.close()
    assert done == [0]


def test_threads_have_a_name():
    """The threads have a name that is recognized in a thread dump."""
    pool = Parallel(1)
    names = pool.map(lambda _: threading.current_thread().name, [1, 2])
    pool.close()
    assert all(name.startswith("stockctl-aws") for name in names)

"""Calls at once: in order, bounded, and over when the first failure is raised."""

import signal
import threading

import pytest

from stockctl.aws.parallel import Parallel


def test_results_come_in_the_order_of_the_items(parallel: Parallel):
    """A slow first call does not move its result."""
    others = threading.Barrier(3)
    first_may_end = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert first_may_end.wait(10)
        else:
            others.wait(10)
            first_may_end.set()
        return item * item

    assert parallel.map(work, [0, 1, 2, 3]) == [0, 1, 4, 9]
    assert parallel.map(work, []) == []


def test_as_many_calls_at_once_as_there_are_workers():
    """Three workers meet at a barrier for three, and a fourth call waits for one of them."""
    crew = Parallel(3)
    meeting = threading.Barrier(3)
    running, most = 0, 0
    lock = threading.Lock()

    def work(_: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        meeting.wait(10)
        with lock:
            running -= 1

    crew.map(work, range(9))
    crew.close()
    assert most == 3


def test_a_failure_is_raised_when_nothing_runs_any_more():
    """Calls under way end first, calls that have not begun never begin."""
    crew = Parallel(2)
    begun: list[int] = []
    ended: list[int] = []
    failed = threading.Event()

    def work(item: int) -> None:
        begun.append(item)
        if item == 0:
            failed.set()
            raise OSError("no")
        assert failed.wait(10)
        if item < 5:
            # Long enough for the failure to be noticed before the rest could begin.
            threading.Event().wait(0.05)
        ended.append(item)

    with pytest.raises(OSError, match="no"):
        crew.map(work, range(1000))
    at_the_raise = list(begun), list(ended)
    crew.close()
    assert (begun, ended) == at_the_raise
    assert set(begun) == {0, *ended}
    assert len(begun) < 1000


def test_one_item_needs_no_thread(parallel: Parallel):
    """A single call is made by the caller itself."""
    assert parallel.map(lambda _: threading.current_thread(), [1]) == [threading.current_thread()]


def test_an_interrupt_leaves_no_call_behind():
    """After Ctrl-C no further call begins."""
    crew = Parallel(1)
    crew.map(str, [0, 1])
    done: list[int] = []

    def work(item: int) -> None:
        if item == 0:
            # The main thread has to be waiting: a signal just before its wait would only end that wait.
            threading.Event().wait(0.1)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            threading.Event().wait(0.1)
        done.append(item)

    with pytest.raises(KeyboardInterrupt):
        crew.map(work, range(500))
    crew.close()
    assert done == [0]


def test_threads_have_a_name():
    """Threads are named, so that a dump of them tells whose they are."""
    crew = Parallel(1)
    names = crew.map(lambda _: threading.current_thread().name, [1, 2])
    crew.close()
    assert all(name.startswith("stockctl-aws") for name in names)

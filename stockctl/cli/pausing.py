"""Waiting between two looks at something that grows."""

import select
import sys
import time


def pause(seconds: float) -> None:
    """Wait, and notice at once when whoever reads our pipe has gone.

    Raises:
        BrokenPipeError: nobody reads any more.
    """
    if not hasattr(select, "poll") or sys.stdout.isatty():
        time.sleep(seconds)
        return
    watch = select.poll()
    watch.register(sys.stdout.fileno(), 0)
    if any(
        event & (select.POLLERR | select.POLLHUP | select.POLLNVAL) for _, event in watch.poll(seconds * 1000)
    ):
        raise BrokenPipeError

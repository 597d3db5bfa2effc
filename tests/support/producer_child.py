"""A producer to be killed: a source that goes on where it was, an outbox, and one of the backends.

    producer_child.py FOLDER TARGET SYMBOLS TICKS [TIMEOUT] [PACE]

TARGET is the URL of a stand-in for Kinesis (behind ``aggregated+``: to get aggregated records), or the folder
of an embedded home. It prints a line for each
receipt, with how many records it is for, and at the end the figures that bound duplicates. TIMEOUT is how
many seconds a call is waited for, PACE how many are between two ticks.
"""

import json
import sys
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from threading import Event

from stockctl.producer.outbox.queue import open_outbox
from stockctl.producer.producer import BufferedProducer
from support.local_home import open_stream
from support.producer_inputs import Feed, kinesis_stream, noted, ticks_of

AGGREGATED = "aggregated+"


def main(folder: Path, target: str, symbols: int, ticks: int, timeout: float, pace: float) -> None:
    """Run to the end."""
    url = target.removeprefix(AGGREGATED)
    if url.startswith("http"):
        aggregate = url != target
        stream = lambda: nullcontext(kinesis_stream(url, read_timeout=timeout, aggregate=aggregate))  # noqa: E731
    else:
        stream = partial(open_stream, Path(target))
    position = folder / "position"
    first = noted(position)
    source = Feed(ticks_of(symbols, ticks, first), position, first, pace)
    began, cpu = time.monotonic(), time.process_time()
    with open_outbox(folder / "outbox.db", limit=1 << 30) as outbox:
        producer = BufferedProducer(
            source, stream, outbox, observe=lambda receipt: print(receipt.sent, flush=True), grace=120.0
        )
        totals = producer.run(Event())
    figures = {
        "sent": totals.sent,
        "uncertain": totals.possibly_duplicated,
        "retried": totals.retried,
        "throttled": totals.throttled,
        "seconds": time.monotonic() - began,
        "cpu": time.process_time() - cpu,
    }
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    given = [*map(float, sys.argv[5:])]
    main(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:5]), *(given + [5.0, 0.0][len(given) :]))

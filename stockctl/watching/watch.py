"""The one who watches: put between a source, a producer and a stream, it knows what they do."""

import time

from stockctl.sources.base import Source
from stockctl.sources.telling import told_by
from stockctl.watching.board import Board
from stockctl.watching.figures import Figures, Producing
from stockctl.watching.observed import ObservedSource, OpenStream, observed_stream
from stockctl.watching.vitals import Vitals


class Watch:
    """Watches one run.

    The producer is to read ``source`` in place of the one given, and to open its stream by ``stream``.

    Args:
        source: where quotes come from.
        board: notes the last quote of each symbol.
        vitals: judges whether all threads live.
    """

    def __init__(self, source: Source, board: Board | None = None, vitals: Vitals | None = None) -> None:
        self.board = Board() if board is None else board
        self._vitals = Vitals() if vitals is None else vitals
        self.source = ObservedSource(source, self.board, self._vitals)
        self._started_at = time.time()

    def stream(self, open_stream: OpenStream) -> OpenStream:
        """Return what opens the same stream, observed."""
        return observed_stream(open_stream, self._vitals)

    def figures(self, producer: Producing) -> Figures:
        """Return the figures of this moment; any thread may ask."""
        snapshot = producer.snapshot()
        return Figures(
            self.source.name,
            self._started_at,
            snapshot,
            producer.totals.alerts,
            self.board.sums(),
            told_by(self.source),
            self._vitals.verdict(snapshot.waiting),
        )

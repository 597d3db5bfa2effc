"""From a batch to a stream that has taken all of it, whatever passes in between."""

import time
from collections.abc import Callable, Sequence

from stockctl.pipeline.ports import Receipt, Record, Stream, Undelivered
from stockctl.producer.batches import Batch
from stockctl.producer.meter import Meter
from stockctl.producer.patience import Patience

Settle = Callable[[Sequence[Record]], None]
"""Is told, each time something was taken, what is left of a batch; nothing, when all of it was."""
Observe = Callable[[Receipt], None]


class Delivery:
    """Sends batches, one after the other, and tries again for as long as a fault may pass.

    Args:
        stream: where records go.
        meter: counts what was done.
        patience: waits between tries.
        observe: called with the receipt of what was taken, after that is settled.
    """

    def __init__(
        self, stream: Stream, meter: Meter, patience: Patience, observe: Observe | None = None
    ) -> None:
        self._stream = stream
        self._meter = meter
        self._patience = patience
        self._observe = observe

    def deliver(self, batch: Batch, settle: Settle = lambda _: None) -> bool:
        """Send ``batch``; return False when the time was over before all of it was taken.

        Raises:
            Undelivered: of a fault that does not pass.
        """
        left = batch.records
        while True:
            began = time.monotonic()
            try:
                receipt = self._send(batch, left)
            except Undelivered as fault:
                if len(fault.records) < len(left):
                    settle(fault.records)
                    self._tell(fault.receipt)
                else:
                    self._meter.add(fault.receipt)
                left = fault.records
                if not fault.passing:
                    raise
                if not self._patience.rest(fault, began):
                    return False
            else:
                settle(())
                self._patience.rewarded()
                self._meter.acknowledged(batch.length, time.time() - batch.taken_at)
                self._tell(receipt)
                return True

    def _send(self, batch: Batch, left: Sequence[Record]) -> Receipt:
        if not batch.rejections:
            return self._stream.send(left)
        self._stream.refuse(batch.rejections)
        self._meter.refused(len(batch.rejections))
        return Receipt(0, quarantined=len(batch.rejections))

    def _tell(self, receipt: Receipt) -> None:
        self._meter.add(receipt)
        if self._observe is not None:
            self._observe(receipt)

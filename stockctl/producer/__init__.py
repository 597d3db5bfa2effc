"""From a source into a stream: batches, limits, an outbox for what must not be lost, and figures."""

from stockctl.producer.batches import BATCH_RECORDS
from stockctl.producer.buffered import BufferedProducer
from stockctl.producer.direct import Producer
from stockctl.producer.meter import Meter, Snapshot, Totals
from stockctl.producer.outbox import Outbox, opened

__all__ = ["BATCH_RECORDS", "BufferedProducer", "Meter", "Outbox", "Producer", "Snapshot", "Totals", "opened"]

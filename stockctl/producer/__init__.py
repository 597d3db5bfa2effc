"""From a source into a stream: batches, retries, and an outbox for what must not be lost."""

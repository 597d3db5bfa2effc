"""Moves quotes from a source into a stream: batches, retries, and an outbox for live quotes."""

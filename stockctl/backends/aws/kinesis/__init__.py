"""The Kinesis stream: ordered sending, rate limit, aggregation."""

"""The Kinesis stream: ordered puts, rate limits, aggregation."""

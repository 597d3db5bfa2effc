"""The DynamoDB tables of quotes and alerts."""

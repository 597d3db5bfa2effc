"""The DynamoDB tables: stored quotes and the alert log."""

"""The AWS backend: adapters over Kinesis, S3, DynamoDB, SNS and Athena."""

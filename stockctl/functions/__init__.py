"""The Lambda functions: each one connects a stage of the pipeline to AWS services."""

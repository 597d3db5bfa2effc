"""The entry points of the Lambda functions: they wire AWS adapters to the two stages, nothing else."""

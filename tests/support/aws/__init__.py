"""AWS for tests: moto, MiniStack, local servers, and models of Kinesis and Lambda."""

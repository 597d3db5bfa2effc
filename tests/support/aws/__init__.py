"""AWS in tests: moto, MiniStack, servers on the loopback, and models of Kinesis and Lambda."""

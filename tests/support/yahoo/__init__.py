"""Yahoo in tests: a server on the loopback, and child processes that poll it or stream from it."""

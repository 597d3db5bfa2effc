"""A fake Yahoo server on the loopback, and child processes that poll it or stream from it."""

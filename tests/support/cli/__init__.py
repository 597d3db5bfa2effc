"""The command line in tests: child processes, forks and terminals."""

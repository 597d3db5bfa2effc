"""What runs while quotes are streamed: signal handlers, monitor, live view, progress bar."""

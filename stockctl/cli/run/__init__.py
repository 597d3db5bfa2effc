"""What runs beside a live stream: signals, live view, log, progress."""

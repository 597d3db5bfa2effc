"""What runs beside a stream: signals, monitor, live view, progress bar."""

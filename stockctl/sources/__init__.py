"""Sources of quotes."""

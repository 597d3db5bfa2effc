"""Quotes from files, in order of time."""

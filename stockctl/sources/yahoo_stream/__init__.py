"""Quotes from Yahoo's WebSocket stream as they happen, with polling while it is disconnected."""

"""Quotes by polling Yahoo: few requests for all symbols; each price has its market time."""

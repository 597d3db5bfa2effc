"""Quotes by polling Yahoo: few requests for all symbols, the market's own time on every price."""

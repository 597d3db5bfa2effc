"""The command line: parse, call, render. Nothing imports this package."""

"""The commands: parse options, call, render."""

"""Servers that the command line is tried against."""

from ministack_server import ministack

__all__ = ["ministack"]

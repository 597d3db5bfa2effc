"""Servers that the command line is tried against."""

from support.aws.ministack_server import ministack

__all__ = ["ministack"]

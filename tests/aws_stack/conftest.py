"""The one MiniStack of the session, for the tests of this room."""

from ministack_server import aws_account, ministack

__all__ = ["aws_account", "ministack"]

"""What a live source may do while no market of its symbols is open."""

from enum import StrEnum


class WhenClosedPolicy(StrEnum):
    """The values of ``--when-closed`` and of ``source.when_closed``."""

    WAIT = "wait"
    CONTINUE = "continue"
    EXIT = "exit"

"""A parcel between the outbox and its delivery."""

from collections.abc import Sequence

from stockctl.pipeline.ports import Record
from stockctl.producer.outbox import Outbox, Parcel


class Holding:
    """Notes in the outbox how it stands with one parcel.

    Args:
        outbox: where it was taken from.
        parcel: what is to be delivered.
    """

    def __init__(self, outbox: Outbox, parcel: Parcel) -> None:
        self._outbox = outbox
        self._rest = parcel
        self.doubted = parcel.doubted
        """Whether an earlier run may have delivered it."""

    def begin(self) -> None:
        """Note that it is under way."""
        self._outbox.begin(self._rest)

    def settle(self, left: Sequence[Record]) -> None:
        """Note that all of it but ``left`` was delivered."""
        self._rest = self._outbox.settle(self._rest, left)

    def withdraw(self) -> None:
        """Note that it is under way no more, and has not arrived."""
        self._outbox.withdraw(self._rest)

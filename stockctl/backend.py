"""What the commands need of the place where the pipeline runs."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from stockctl.market.stored_quote import StoredQuote
from stockctl.pipeline.ports import AlertReader, QuoteReader, Stream, Warehouse


class Step(NamedTuple):
    """One thing that provisioning or teardown does, or would do."""

    action: str
    resource: str
    detail: str


class Status(NamedTuple):
    """What is there: named facts in the order to show them, and the newest quote of each symbol."""

    facts: Sequence[tuple[str, str | int]]
    latest: Sequence[StoredQuote]


class Backend(Protocol):
    """A place where the pipeline runs."""

    place: str
    """Where that is, for a person."""

    cost: str
    """What keeping it costs, for a person."""

    def plan(self) -> Sequence[Step]:
        """Return what ``provision`` would do, and change nothing."""

    def provision(self) -> Sequence[Step]:
        """Make what is missing and return what was done; empty when all is there."""

    def status(self) -> Status:
        """Return what is there.

        Raises:
            StockctlError: nothing is.
        """

    def plan_teardown(self, *, keep_data: bool) -> Sequence[Step]:
        """Return what ``teardown`` would remove; empty when nothing is there."""

    def teardown(self, *, keep_data: bool, progress: Callable[[int], None]) -> Sequence[str]:
        """Remove what provisioning and streaming made; return what was left because it is not ours.

        ``progress`` is called with the number of objects removed so far.
        """

    def stream(self) -> AbstractContextManager[Stream]:
        """Open the way in for quotes."""

    def quotes(self) -> AbstractContextManager[QuoteReader]:
        """Open the stored quotes."""

    def alerts(self) -> AbstractContextManager[AlertReader]:
        """Open the alert log."""

    def send_test_alert(self) -> str:
        """Send a marked alert along the way of real ones and return its id."""

    def warehouse(self) -> Warehouse:
        """Open the raw archive for SQL."""

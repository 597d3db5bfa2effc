"""What the commands need of the place where the pipeline runs."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from stockctl.market.quote import EnrichedQuote
from stockctl.pipeline.ports import AlertReader, QuoteReader, Stream, Warehouse


class Step(NamedTuple):
    """One thing that provisioning or teardown does, or would do."""

    action: str
    resource: str
    kind: str
    detail: str
    data: str = ""
    """What becomes of data; empty when none is touched."""


class Plan(NamedTuple):
    """What provisioning would do, and what the result costs, for a person."""

    steps: Sequence[Step]
    cost: str


class Outcome(NamedTuple):
    """What was done, empty when nothing was; and what came out of it, by name."""

    steps: Sequence[Step]
    outputs: Mapping[str, str]


class Finding(NamedTuple):
    """One thing that ``config check`` looked at."""

    check: str
    found: str
    fine: bool = True
    """False when a command would fail because of it."""
    hint: str = ""
    """What to do about it; empty when there is nothing to do, or to say."""


class Status(NamedTuple):
    """What is there: named facts in the order to show them, and the newest quote of each symbol."""

    facts: Sequence[tuple[str, str | int]]
    latest: Sequence[EnrichedQuote]


Agree = Callable[[Plan], bool]
"""Shown a plan, tells whether it shall be carried out."""

Report = Callable[[str], None]
"""Takes a line about what is under way."""


class Backend(Protocol):
    """A place where the pipeline runs."""

    @property
    def place(self) -> str:
        """Where that is, for a person."""

    @property
    def costs_money(self) -> bool:
        """Whether being there costs money, so that making it needs consent."""

    def check(self) -> Sequence[Finding]:
        """Return what the commands would meet there, in the order to show it, and change nothing."""

    def plan(self, report: Report) -> Plan:
        """Return what ``provision`` would do, and change nothing."""

    def provision(self, agree: Agree, report: Report) -> Outcome:
        """Make what is missing, once ``agree`` says so; it is not asked when nothing is."""

    def prepare(self) -> bool:
        """Make what a stream needs if that costs nothing; return whether anything was made."""

    def status(self) -> Status:
        """Return what is there.

        Raises:
            StockctlError: nothing is.
        """

    def plan_teardown(self, *, keep_data: bool) -> Sequence[Step]:
        """Return what ``teardown`` would remove; empty when nothing is there."""

    def teardown(self, *, keep_data: bool, report: Report) -> Sequence[str]:
        """Remove what was made; return what was left because it is not ours."""

    def stream(self) -> AbstractContextManager[Stream]:
        """Open the way in for quotes."""

    def quotes(self) -> AbstractContextManager[QuoteReader]:
        """Open the stored quotes."""

    def alerts(self) -> AbstractContextManager[AlertReader]:
        """Open the alert log."""

    def send_test_alert(self) -> str:
        """Send a marked alert along the way of real ones and return its id."""

    def warehouse(self, report: Report | None = None) -> Warehouse:
        """Open the raw archive for SQL; ``report`` is told how far a query is, where that is known."""

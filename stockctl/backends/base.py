"""The interface between the commands and a backend (local or AWS)."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from stockctl.market.quote import EnrichedQuote
from stockctl.pipeline.ports import AlertReader, QuoteReader, Stream, Warehouse


class Step(NamedTuple):
    """One resource that provisioning or teardown creates, changes, keeps or deletes."""

    action: str
    """One of ``create``, ``update``, ``maybe``, ``replace``, ``delete``, ``adopt``, ``keep``.

    ``maybe`` is an update that happens only if a resource that this one refers to is replaced.
    """
    resource: str
    """Its name, or its logical id in the CloudFormation template."""
    kind: str
    """The kind of resource, for example ``Kinesis stream``."""
    detail: str
    """What changes."""
    data: str = ""
    """What happens to stored data; empty if none is affected."""


class Plan(NamedTuple):
    """The steps that provisioning would take, and what the result costs, as text."""

    steps: Sequence[Step]
    cost: str


class Outcome(NamedTuple):
    """The steps that were taken (empty if none), and the outputs by name."""

    steps: Sequence[Step]
    outputs: Mapping[str, str]


class Finding(NamedTuple):
    """The result of one check of ``config check``."""

    check: str
    found: str
    ok: bool = True
    """False if commands would fail because of it. Its key in JSON is ``fine``."""
    hint: str = ""
    """What to do about it; empty if there is nothing to do."""


class Status(NamedTuple):
    """The state of a pipeline: named facts in display order, and the newest quote of each symbol."""

    facts: Sequence[tuple[str, str | int]]
    latest: Sequence[EnrichedQuote]


Confirm = Callable[[Plan], bool]
"""Shows a plan to the user and returns whether to carry it out."""

Report = Callable[[object], None]
"""Receives a progress event, whose ``str`` is one line for the user."""


class Backend(Protocol):
    """A place where the pipeline runs."""

    @property
    def location(self) -> str:
        """Where the pipeline is, as text for the user."""

    @property
    def costs_money(self) -> bool:
        """Whether the pipeline costs money, so that creating it needs the user's consent."""

    def check(self) -> Sequence[Finding]:
        """Check whether the commands would work; change nothing. The results are in display order."""

    def plan(self, report: Report) -> Plan:
        """Return what ``provision`` would do; change nothing."""

    def provision(self, confirm: Confirm, report: Report) -> Outcome:
        """Create what is missing if ``confirm`` agrees; it is not called when nothing is missing."""

    def prepare(self) -> bool:
        """Create what a stream needs, if that costs nothing; return whether anything was created."""

    def status(self) -> Status:
        """Return the state of the pipeline.

        Raises:
            StockctlError: there is no pipeline.
        """

    def plan_teardown(self, *, keep_data: bool) -> Sequence[Step]:
        """Return what ``teardown`` would remove; empty if there is nothing."""

    def teardown(self, *, keep_data: bool, report: Report) -> Sequence[str]:
        """Remove the pipeline; return what was left because stockctl did not create it."""

    def stream(self) -> AbstractContextManager[Stream]:
        """Open the stream that quotes are sent to."""

    def quotes(self) -> AbstractContextManager[QuoteReader]:
        """Open the stored quotes."""

    def alerts(self) -> AbstractContextManager[AlertReader]:
        """Open the alert log."""

    def send_test_alert(self) -> str:
        """Log and publish an alert that is marked as a test; return its id."""

    def warehouse(self, report: Callable[[str], None] | None = None) -> Warehouse:
        """Open the raw archive for SQL; ``report`` receives the progress of queries, if known."""

"""The embedded backend, as the commands use it."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from stockctl.backends.base import Confirm, Finding, Outcome, Plan, Report, Status, Step
from stockctl.backends.local import setup
from stockctl.backends.local.alerts import SqliteAlertReader
from stockctl.backends.local.database import Database
from stockctl.backends.local.home import Home
from stockctl.backends.local.quotes import SqliteQuoteReader
from stockctl.backends.local.stream import LocalStream
from stockctl.config.schema import Settings
from stockctl.errors import HomeError
from stockctl.market.alert import sample_alert
from stockctl.market.timestamp import format_timestamp
from stockctl.pipeline.ports import Warehouse
from stockctl.pipeline.trend import Clock

_COST = "nothing: it runs in this process, on this disk"
_BLOCK = 512
"""The unit of ``st_blocks``, by POSIX."""


class LocalBackend:
    """The pipeline in one data folder."""

    costs_money = False

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._home = Home(settings.local.path.expanduser().absolute())
        self.location = str(self._home.root)

    def check(self) -> Sequence[Finding]:
        """Return whether the data folder exists and can be used, or can be created."""
        place = Finding("place", self.location)
        try:
            setup.check(self._home)
            if setup.plan(self._home):
                return [place, _no_home(self._home)]
            facts = self.status().facts[1:]
        except HomeError as error:
            return [place, Finding("provisioned", error.message, ok=False, hint=error.hint or "")]
        return [place, Finding("provisioned", "yes"), *(Finding(name, str(value)) for name, value in facts)]

    def plan(self, report: Report) -> Plan:  # noqa: ARG002 - part of the protocol
        """Return what ``provision`` would do, or raise what it would raise."""
        setup.check(self._home)
        return Plan(setup.plan(self._home), _COST)

    def provision(self, confirm: Confirm, report: Report) -> Outcome:
        """Create the data folder if it is missing."""
        plan = self.plan(report)
        if plan.steps and not confirm(plan):
            return Outcome((), {})
        return Outcome(setup.provision(self._home), {})

    def prepare(self) -> bool:
        """Create the data folder if it is missing: it costs nothing."""
        return bool(setup.provision(self._home))

    def plan_teardown(self, *, keep_data: bool) -> Sequence[Step]:
        """Return what ``teardown`` would remove."""
        return setup.plan_teardown(self._home, keep_data=keep_data)

    def teardown(self, *, keep_data: bool, report: Report) -> Sequence[str]:
        """Remove the data folder."""
        return setup.teardown(self._home, keep_data=keep_data, report=report)

    def status(self) -> Status:
        """Return what the data folder holds."""
        with self._open() as database:
            reader, alerts = SqliteQuoteReader(database), SqliteAlertReader(database)
            size, on_disk = _size(self._home.root)
            facts: list[tuple[str, str | int]] = [
                ("home", self.location),
                ("bytes", size),
                ("bytes_on_disk", on_disk),
                ("quotes", reader.count()),
                ("alerts", alerts.count()),
                ("quarantined", self._home.rejections()),
            ]
            return Status(facts, reader.latest())

    @contextmanager
    def stream(self) -> Iterator[LocalStream]:
        """Open the stream."""
        with self._open() as database:
            setup.check_folders(self._home)
            settings = self._settings
            yield LocalStream(
                self._home, database, settings.rules, settings.alerts.max_age_limit, self._clock
            )

    @contextmanager
    def quotes(self) -> Iterator[SqliteQuoteReader]:
        """Open the stored quotes."""
        with self._open() as database:
            yield SqliteQuoteReader(database)

    @contextmanager
    def alerts(self) -> Iterator[SqliteAlertReader]:
        """Open the alert log."""
        with self._open() as database:
            yield SqliteAlertReader(database)

    def send_test_alert(self) -> str:
        """Log a test alert in the same way as a real one."""
        alert = sample_alert(format_timestamp(self._clock()))
        with self.stream() as stream:
            stream.raise_alert(alert)
        return alert.alert_id

    def warehouse(self, report: Callable[[str], None] | None = None) -> Warehouse:  # noqa: ARG002 - part of the protocol
        """Open the raw archive for SQL."""
        from stockctl.backends.local.warehouse import DuckdbWarehouse

        analytics = self._settings.analytics
        return DuckdbWarehouse(self._home, database=analytics.database, table=analytics.table)

    @contextmanager
    def _open(self) -> Iterator[Database]:
        database = Database(self._home.database)
        try:
            yield database
        finally:
            database.close()


def _no_home(home: Home) -> Finding:
    above = next(path for path in (home.root, *home.root.parents) if os.path.lexists(path))
    if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
        return Finding("provisioned", "no: run 'stockctl provision'")
    reason = "is not writable" if above.is_dir() else "is not a folder"
    return Finding(
        "provisioned",
        f"no, and the data folder cannot be created: {above} {reason}",
        ok=False,
        hint="Set local.path (or STOCKCTL_LOCAL__PATH) to a folder that can be written.",
    )


def _size(folder: Path) -> tuple[int, int]:
    """Return the size of all files below ``folder``, and the space that they take on the disk, in bytes."""
    size = on_disk = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # a running stream replaces files, a teardown removes them
                below = _size_of(entry)
                size, on_disk = size + below[0], on_disk + below[1]
    return size, on_disk


def _size_of(entry: os.DirEntry[str]) -> tuple[int, int]:
    if entry.is_dir(follow_symlinks=False):
        return _size(Path(entry.path))
    found = entry.stat(follow_symlinks=False)
    return found.st_size, found.st_blocks * _BLOCK

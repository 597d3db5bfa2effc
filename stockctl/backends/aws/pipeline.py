"""The pipeline on AWS, from its making to its end: what the commands call."""

from collections.abc import Callable, Sequence

from stockctl.backends.aws.client import Connection, identify
from stockctl.backends.aws.names import names_of
from stockctl.backends.aws.stack.changes import Change
from stockctl.backends.aws.stack.cloudformation import Stack
from stockctl.backends.aws.stack.cost import Cost, estimate
from stockctl.backends.aws.stack.events import PollInterval, Report
from stockctl.backends.aws.stack.lambda_code import Bundle, build
from stockctl.backends.aws.stack.provision import Agree, Outcome, Plan, Provisioner
from stockctl.backends.aws.stack.status import Fact, StatusCollector
from stockctl.backends.aws.stack.teardown import Deleted, Teardown
from stockctl.config.schema import Settings
from stockctl.errors import AwsError


class AwsPipeline:
    """The pipeline that ``settings`` describe, in the account that the credentials belong to.

    Args:
        settings: the configuration.
        connection: to the account.
        pace: how often to look at what is under way.
        build: gives the code of the functions.

    Raises:
        AwsError: there are no credentials, they are not accepted, or no region is set.
    """

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        pace: PollInterval | None = None,
        build: Callable[[], Bundle] = build,
    ) -> None:
        self._settings = settings
        self._connection = connection
        self._pace = pace or PollInterval()
        self._build = build
        self.identity = identify(connection)
        self.names = names_of(settings, self.identity.account, self.identity.region, self.identity.partition)
        self._provisioner = Provisioner(settings, connection, self.names, self._pace, build)
        self._removal = Teardown(connection, self.names, self._pace)

    @property
    def place(self) -> str:
        """Where the pipeline is, for a person."""
        return f"the stack {self.names.stack} (account {self.names.account}, {self.names.region})"

    @property
    def cost(self) -> Cost:
        """What it costs."""
        return estimate(self._settings)

    def plan(self, report: Report) -> Plan:
        """Return what ``provision`` would do, with its cost, and leave nothing behind.

        ``report`` hears of what is waited for. See ``Provisioner.plan`` for what it raises.
        """
        return self._provisioner.plan(report)

    def provision(self, agree: Agree, report: Report) -> Outcome:
        """Show the plan to ``agree`` and, if that returns True, make what is missing and change what differs.

        ``report`` hears of each resource. See ``Provisioner.provision`` for what it raises.
        """
        return self._provisioner.provision(agree, report)

    def deploy(self, report: Report) -> Outcome:
        """Bring the code that is installed here to the functions; the outcome tells whether it was new.

        See ``Provisioner.deploy`` for what it raises.
        """
        return self._provisioner.deploy(report)

    def status(self) -> Sequence[Fact]:
        """Return how the pipeline is.

        Raises:
            AwsError: there is none.
        """
        stack = Stack(self._connection.client("cloudformation"), self.names.stack, self._pace)
        found = stack.describe()
        if found is None:
            raise AwsError(
                f"There is no stack {self.names.stack} in {self.names.region} "
                f"(account {self.names.account}).",
                "Run 'stockctl provision' first, or set aws.region to where it is.",
            )
        deployed = self.names.as_deployed(stack.physical_ids(found))
        return StatusCollector(self._connection, deployed, found, self._pace, self._build()).facts()

    def plan_teardown(self, *, keep_data: bool) -> Sequence[Change]:
        """Return what ``teardown`` would delete and keep, counted; empty when there is nothing to delete.

        Raises:
            AwsError: AWS cannot be asked.
        """
        return self._removal.plan(keep_data=keep_data)

    def teardown(self, *, keep_data: bool, report: Report, deleted: Deleted) -> Sequence[str]:
        """Take the pipeline down and return what is left because stockctl did not make it.

        ``report`` hears of each resource, ``deleted`` of how many objects are gone so far. See
        ``Teardown.run`` for what it raises.
        """
        return self._removal.run(keep_data=keep_data, report=report, deleted=deleted)

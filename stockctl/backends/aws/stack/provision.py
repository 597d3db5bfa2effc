"""Making and changing the pipeline: propose, show, ask, do."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from stockctl.backends.aws.client import Connection
from stockctl.backends.aws.names import Names
from stockctl.backends.aws.stack import retained_data
from stockctl.backends.aws.stack.changes import Change, describe
from stockctl.backends.aws.stack.cloudformation import (
    STUCK,
    ChangeRequest,
    ChangeSet,
    ChangeSetClient,
    Description,
    Stack,
    change_set_preview,
)
from stockctl.backends.aws.stack.cost import Cost, estimate
from stockctl.backends.aws.stack.event_sources import set_enabled
from stockctl.backends.aws.stack.events import PollInterval, Report, StackEvent
from stockctl.backends.aws.stack.lambda_code import (
    Artifacts,
    Bundle,
    check_code,
    replace_code,
    running_other_code,
)
from stockctl.backends.aws.stack.template import CODE_KEY, parameters, render, tags
from stockctl.config.schema import Settings
from stockctl.errors import AwsError


class Plan(NamedTuple):
    """What provisioning would do, and what the result costs."""

    changes: Sequence[Change]
    cost: Cost


class Outcome(NamedTuple):
    """What was done."""

    changes: Sequence[Change]
    """Empty when nothing was to be done, or nobody agreed."""
    outputs: Mapping[str, str]
    """Of the stack; empty when there is none."""


Agree = Callable[[Plan], bool]


class Provisioner:
    """The pipeline of one configuration, as a CloudFormation stack.

    Args:
        settings: the configuration.
        connection: to the account.
        names: what things are called there.
        pace: how often to look at what is under way.
        build: gives the code of the functions.
    """

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        names: Names,
        pace: PollInterval,
        build: Callable[[], Bundle],
    ) -> None:
        self._settings = settings
        self._build = build
        self._connection = connection
        self._names = names
        self._pace = pace
        self._cloudformation = connection.client("cloudformation")
        self._stack = Stack(self._cloudformation, names.stack, pace)
        self._change_sets = ChangeSetClient(self._cloudformation, names.stack, pace)

    def plan(self, report: Report) -> Plan:
        """Return what ``provision`` would do, and leave nothing behind.

        Raises:
            AwsError: it could not be done as things are.
            ConfigError: AWS does not take a value of the configuration.
        """
        found = self._stack.settle(report)
        if found is not None and found.status == STUCK:
            raise AwsError(
                f"The last update of the stack {self._names.stack} failed, and its rollback got stuck.",
                "Run 'stockctl provision': it finishes the rollback first.",
            )
        bundle = self._build()
        if found is None or not found.dead:
            return self._plan(self._change_sets, found, bundle)
        # A stack that has to be deleted first takes no change set: ask what a new one would hold.
        preview = ChangeSetClient(self._cloudformation, change_set_preview(self._names), self._pace)
        plan = self._plan(preview, None, bundle)
        dead = Change("delete", self._names.stack, "CloudFormation stack", f"it is {found.status}")
        return plan._replace(changes=[dead, *plan.changes])

    def provision(self, agree: Agree, report: Report) -> Outcome:
        """Make what is missing and change what differs, once ``agree`` says so.

        What an earlier run left unfinished is waited for, or cleared away. Run again it changes nothing.

        Raises:
            AwsError: it failed; the message names the resource and tells why.
            ConfigError: AWS does not take a value of the configuration.
        """
        found = self._recovered(self._stack.settle(report), report)
        if found is not None and found.dead:
            plan = self.plan(report)
            if not agree(plan):
                return Outcome((), {})
            self._stack.delete(found, report)
            return self.provision(lambda _: True, report)._replace(changes=plan.changes)
        bundle = self._build()
        proposal = self._propose(self._change_sets, found, bundle)
        if proposal is None:
            return Outcome(self._switched_on(report), found.outputs if found else {})
        plan = Plan(self._described(proposal, found, bundle), estimate(self._settings))
        return self._carry_out(proposal, plan, bundle, agree, report)

    def deploy(self, report: Report) -> Outcome:
        """Bring the code that is installed here to the functions, and change nothing else.

        Raises:
            AwsError: there is no pipeline, or it failed; the message tells why.
        """
        found = self._recovered(self._stack.settle(report), report)
        if found is None or found.dead:
            raise AwsError(
                f"There is no stack {self._names.stack} in {self._names.region} to bring code to.",
                "Run 'stockctl provision' first.",
            )
        bundle = self._build()
        self._upload(bundle, report)
        same = [
            {"ParameterKey": key, "UsePreviousValue": True} for key in found.parameters if key != CODE_KEY
        ]
        code = {"ParameterKey": CODE_KEY, "ParameterValue": bundle.key}
        proposal = self._change_sets.propose(ChangeRequest("UPDATE", [*same, code]))
        if proposal is None:
            return Outcome(self._code_put_right(bundle, report), found.outputs)
        changes = describe(proposal.resource_changes, self._names, found.parameters, {CODE_KEY: bundle.key})
        self._change_sets.execute(proposal, report)
        check_code(self._connection.client("lambda"), self._names, bundle)
        return Outcome(changes, found.outputs)

    def _plan(self, change_sets: ChangeSetClient, found: Description | None, bundle: Bundle) -> Plan:
        proposal = self._propose(change_sets, found, bundle)
        if proposal is None:
            return Plan((), estimate(self._settings))
        change_sets.withdraw(proposal)
        return Plan(self._described(proposal, found, bundle), estimate(self._settings))

    def _carry_out(
        self, proposal: ChangeSet, plan: Plan, bundle: Bundle, agree: Agree, report: Report
    ) -> Outcome:
        begun = False
        try:
            if not agree(plan):
                return Outcome((), {})
            self._upload(bundle, report)
            begun = True
        finally:
            if not begun:
                self._change_sets.withdraw(proposal)
        self._change_sets.execute(proposal, report)
        made = self._stack.describe()
        self._switched_on(report)
        return Outcome(plan.changes, made.outputs if made else {})

    def _recovered(self, found: Description | None, report: Report) -> Description | None:
        if found is not None and found.status == STUCK:
            return self._stack.resume_rollback(found, report)
        return found

    def _switched_on(self, report: Report) -> list[Change]:
        """Enable triggers that a teardown disabled before it was interrupted."""
        functions = self._connection.client("lambda")
        names = set_enabled(functions, self._names, report, self._pace, on=True)
        return [Change("update", name, "Lambda trigger", "Disabled → Enabled") for name in names]

    def _code_put_right(self, bundle: Bundle, report: Report) -> list[Change]:
        functions = self._connection.client("lambda")
        stale = running_other_code(functions, self._names, bundle)
        replace_code(functions, self._names, stale, bundle, report, self._pace)
        return [Change("update", name, "Lambda function", "code as the stack has it") for name in stale]

    def _propose(
        self, change_sets: ChangeSetClient, found: Description | None, bundle: Bundle
    ) -> ChangeSet | None:
        values = parameters(self._settings, self._names, bundle.key)
        return change_sets.propose(
            ChangeRequest(
                "CREATE" if found is None else "UPDATE",
                [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
                render(self._names, self._settings.alerts.subscriptions),
                tags(self._settings),
                adopt=self._something_to_adopt(found),
            )
        )

    def _something_to_adopt(self, found: Description | None) -> bool:
        """Whether what holds data is there already, outside of the stack."""
        inside = self._stack.physical_ids(found)
        outside = retained_data.find_retained(self._connection, self._names).without(
            self._names, inside.values()
        )
        retained_data.check_adoptable(self._connection, self._names, outside)
        return bool(outside)

    def _described(self, proposal: ChangeSet, found: Description | None, bundle: Bundle) -> Sequence[Change]:
        before = found.parameters if found else {}
        after = parameters(self._settings, self._names, bundle.key)
        return describe(proposal.resource_changes, self._names, before, after)

    def _upload(self, bundle: Bundle, report: Report) -> None:
        fresh = Artifacts(self._connection.client("s3"), self._names).upload(bundle)
        size = f"{len(bundle.data) / 1e6:.1f} MB, SHA-256 {bundle.sha256[:12]}…"
        report(StackEvent(self._names.artifacts, "uploaded" if fresh else "up to date", size))

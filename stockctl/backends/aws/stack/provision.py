"""Creates and updates the pipeline's stack: plan, confirm, execute."""

from collections.abc import Callable, Sequence

from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.names import Names
from stockctl.backends.aws.stack import retained_data
from stockctl.backends.aws.stack.changes import to_steps
from stockctl.backends.aws.stack.cloudformation import (
    STUCK,
    ChangeRequest,
    ChangeSet,
    ChangeSetClient,
    Description,
    Stack,
    preview_stack_name,
)
from stockctl.backends.aws.stack.cost import estimate
from stockctl.backends.aws.stack.event_sources import set_enabled
from stockctl.backends.aws.stack.events import StackEvent
from stockctl.backends.aws.stack.lambda_code import (
    Artifacts,
    Bundle,
    check_code,
    replace_code,
    running_other_code,
)
from stockctl.backends.aws.stack.polling import PollInterval
from stockctl.backends.aws.stack.template import CODE_KEY, parameters, render, tags
from stockctl.backends.base import Confirm, Outcome, Plan, Report, Step
from stockctl.config.schema import Settings
from stockctl.errors import AwsError


class Provisioner:
    """Creates and updates the CloudFormation stack of one configuration.

    Args:
        settings: the configuration.
        connection: the connection to the AWS account.
        names: names of the resources.
        poll_interval: time between two requests while waiting.
        build_code: builds the code of the functions.
    """

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        names: Names,
        poll_interval: PollInterval,
        build_code: Callable[[], Bundle],
    ) -> None:
        self._settings = settings
        self._build_code = build_code
        self._connection = connection
        self._names = names
        self._poll_interval = poll_interval
        self._cloudformation = connection.client("cloudformation")
        self._stack = Stack(self._cloudformation, names.stack, poll_interval)
        self._change_sets = ChangeSetClient(self._cloudformation, names.stack, poll_interval)

    def plan(self, report: Report) -> Plan:
        """Return what ``provision`` would do; nothing is left in the account.

        Raises:
            AwsError: provisioning is not possible in the present state.
            ConfigError: AWS does not accept a value of the configuration.
        """
        stack = self._stack.wait_until_settled(report)
        if stack is not None and stack.status == STUCK:
            raise AwsError(
                f"The last update of the stack {self._names.stack} failed, and its rollback got stuck.",
                "Run 'stockctl provision': it finishes the rollback first.",
            )
        bundle = self._build_code()
        if stack is None or not stack.must_be_deleted:
            return self._plan(self._change_sets, stack, bundle)
        # A stack that has to be deleted first accepts no change set, so another stack serves for the preview.
        preview = ChangeSetClient(self._cloudformation, preview_stack_name(self._names), self._poll_interval)
        plan = self._plan(preview, None, bundle)
        deletion = Step("delete", self._names.stack, "CloudFormation stack", f"status {stack.status}")
        return plan._replace(steps=[deletion, *plan.steps])

    def provision(self, confirm: Confirm, report: Report) -> Outcome:
        """Create what is missing and update what differs, if ``confirm`` agrees.

        Waits for an operation that is running, and cleans up after one that failed. A second run changes
        nothing.

        Raises:
            AwsError: it failed; the message names the resource and the reason.
            ConfigError: AWS does not accept a value of the configuration.
        """
        stack = self._recover(self._stack.wait_until_settled(report), report)
        if stack is not None and stack.must_be_deleted:
            plan = self.plan(report)
            if not confirm(plan):
                return Outcome((), {})
            self._stack.delete(stack, report)
            return self.provision(lambda _: True, report)._replace(steps=plan.steps)
        bundle = self._build_code()
        change_set = self._create_change_set(self._change_sets, stack, bundle)
        if change_set is None:
            return Outcome(self._enable_triggers(report), stack.outputs if stack else {})
        plan = Plan(self._steps(change_set, stack, bundle), str(estimate(self._settings)))
        return self._execute(change_set, plan, bundle, confirm, report)

    def deploy(self, report: Report) -> Outcome:
        """Deploy the installed code to the functions, and change nothing else.

        Raises:
            AwsError: there is no pipeline, or it failed; the message gives the reason.
        """
        stack = self._recover(self._stack.wait_until_settled(report), report)
        if stack is None or stack.must_be_deleted:
            raise AwsError(
                f"There is no stack {self._names.stack} in {self._names.region} to deploy code to.",
                "Run 'stockctl provision' first.",
            )
        bundle = self._build_code()
        self._upload(bundle, report)
        unchanged = [
            {"ParameterKey": key, "UsePreviousValue": True} for key in stack.parameters if key != CODE_KEY
        ]
        code = {"ParameterKey": CODE_KEY, "ParameterValue": bundle.key}
        change_set = self._change_sets.create(ChangeRequest("UPDATE", [*unchanged, code]))
        if change_set is None:
            return Outcome(self._restore_code(bundle, report), stack.outputs)
        steps = to_steps(change_set.resource_changes, self._names, stack.parameters, {CODE_KEY: bundle.key})
        self._change_sets.execute(change_set, report)
        check_code(self._connection.client("lambda"), self._names, bundle)
        return Outcome(steps, stack.outputs)

    def _plan(self, change_sets: ChangeSetClient, stack: Description | None, bundle: Bundle) -> Plan:
        cost = str(estimate(self._settings))
        change_set = self._create_change_set(change_sets, stack, bundle)
        if change_set is None:
            return Plan((), cost)
        change_sets.delete(change_set)
        return Plan(self._steps(change_set, stack, bundle), cost)

    def _execute(
        self, change_set: ChangeSet, plan: Plan, bundle: Bundle, confirm: Confirm, report: Report
    ) -> Outcome:
        ready = False
        try:
            if not confirm(plan):
                return Outcome((), {})
            self._upload(bundle, report)
            ready = True
        finally:
            if not ready:
                self._change_sets.delete(change_set)
        self._change_sets.execute(change_set, report)
        stack = self._stack.describe()
        self._enable_triggers(report)
        return Outcome(plan.steps, stack.outputs if stack else {})

    def _recover(self, stack: Description | None, report: Report) -> Description | None:
        if stack is not None and stack.status == STUCK:
            return self._stack.resume_rollback(stack, report)
        return stack

    def _enable_triggers(self, report: Report) -> list[Step]:
        """Enable the triggers that an interrupted teardown disabled."""
        functions = self._connection.client("lambda")
        enabled = set_enabled(functions, self._names, report, self._poll_interval, on=True)
        return [Step("update", name, "Lambda trigger", "Disabled → Enabled") for name in enabled]

    def _restore_code(self, bundle: Bundle, report: Report) -> list[Step]:
        """Replace code that was changed outside of the stack."""
        functions = self._connection.client("lambda")
        outdated = running_other_code(functions, self._names, bundle)
        replace_code(functions, self._names, outdated, bundle, report, self._poll_interval)
        return [Step("update", name, "Lambda function", "code as the stack has it") for name in outdated]

    def _create_change_set(
        self, change_sets: ChangeSetClient, stack: Description | None, bundle: Bundle
    ) -> ChangeSet | None:
        values = parameters(self._settings, self._names, bundle.key)
        return change_sets.create(
            ChangeRequest(
                "CREATE" if stack is None else "UPDATE",
                [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
                render(self._names, self._settings.alerts.subscriptions),
                tags(self._settings),
                adopt=self._has_data_to_adopt(stack),
            )
        )

    def _has_data_to_adopt(self, stack: Description | None) -> bool:
        """Return whether the bucket or a table exists already, outside of the stack."""
        in_stack = self._stack.physical_ids(stack)
        outside = retained_data.find_retained(self._connection, self._names).without(
            self._names, in_stack.values()
        )
        retained_data.check_adoptable(self._connection, self._names, outside)
        return bool(outside)

    def _steps(self, change_set: ChangeSet, stack: Description | None, bundle: Bundle) -> Sequence[Step]:
        before = stack.parameters if stack else {}
        after = parameters(self._settings, self._names, bundle.key)
        return to_steps(change_set.resource_changes, self._names, before, after)

    def _upload(self, bundle: Bundle, report: Report) -> None:
        uploaded = Artifacts(self._connection.client("s3"), self._names).upload(bundle)
        size = f"{len(bundle.data) / 1e6:.1f} MB, SHA-256 {bundle.sha256[:12]}…"
        report(StackEvent(self._names.artifacts, "uploaded" if uploaded else "up to date", size))

"""The CloudFormation stack and its change sets: create, update, delete, explain failures."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from botocore.exceptions import ClientError

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.error_messages import translate_errors
from stockctl.backends.aws.errors import error_code
from stockctl.backends.aws.names import Names
from stockctl.backends.aws.stack.events import OperationResult, StackEvent, events_from_now, in_progress
from stockctl.backends.aws.stack.polling import PollInterval, wait_for
from stockctl.backends.base import Report
from stockctl.errors import AwsError

STUCK = "UPDATE_ROLLBACK_FAILED"
_IN_REVIEW = "REVIEW_IN_PROGRESS"
_MUST_BE_DELETED = frozenset({"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"})
_SUCCEEDED = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
_NAMED_FAILURES = 3


class Description(NamedTuple):
    """A stack as CloudFormation describes it."""

    stack_id: str
    status: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]

    @property
    def must_be_deleted(self) -> bool:
        """Whether the stack can only be deleted, because its creation or deletion failed."""
        return self.status in _MUST_BE_DELETED


class Stack:
    """One stack, by name."""

    def __init__(self, cloudformation: Client, name: str, poll_interval: PollInterval) -> None:
        self._cloudformation = cloudformation
        self.name = name
        self._poll_interval = poll_interval

    def describe(self) -> Description | None:
        """Return the stack; None if there is none, or only an empty one that waits for a change set.

        Raises:
            AwsError: a request to CloudFormation fails.
        """
        stack = self._describe()
        return None if stack is None or stack.status == _IN_REVIEW else stack

    def wait_until_settled(self, report: Report) -> Description | None:
        """Wait until no operation is running, then return the stack.

        Raises:
            AwsError: a request to CloudFormation fails.
        """
        while (stack := self.describe()) is not None and in_progress(stack.status):
            report(StackEvent(self.name, stack.status, "waiting for the running operation"))
            events = events_from_now(self._cloudformation, stack.stack_id)
            events.follow(report, self._poll_interval, started=True)
        return stack

    def resume_rollback(self, stack: Description, report: Report) -> Description | None:
        """Finish the rollback of an update if the rollback is stuck.

        Raises:
            AwsError: it gets stuck again; the message names the resource and the reason.
        """
        report(StackEvent(self.name, stack.status, "finishing the rollback"))
        events = events_from_now(self._cloudformation, stack.stack_id)
        with translate_errors():
            self._cloudformation.continue_update_rollback(StackName=self.name)
        result = events.follow(report, self._poll_interval, started=False)
        if result.status != "UPDATE_ROLLBACK_COMPLETE":
            raise _operation_error(self.name, "could not be rolled back", result)
        return self.describe()

    def delete(self, stack: Description, report: Report) -> None:
        """Delete the stack, except the resources that its template retains.

        Raises:
            AwsError: a resource could not be deleted; the message names it and the reason.
        """
        events = events_from_now(self._cloudformation, stack.stack_id)
        with translate_errors():
            self._cloudformation.delete_stack(StackName=stack.stack_id)
        result = events.follow(report, self._poll_interval, started=False)
        if result.status != "DELETE_COMPLETE":
            raise _operation_error(self.name, "could not be deleted", result)

    def delete_if_in_review(self) -> None:
        """Delete the empty stack that an interrupted plan may have left.

        Raises:
            AwsError: a request to CloudFormation fails.
        """
        stack = self._describe()
        if stack is not None and stack.status == _IN_REVIEW:
            with translate_errors():
                self._cloudformation.delete_stack(StackName=stack.stack_id)

    def physical_ids(self, stack: Description | None) -> dict[str, str]:
        """Return the physical ids of the stack's resources by logical id; empty without a stack.

        Raises:
            AwsError: a request to CloudFormation fails.
        """
        if stack is None:
            return {}
        pages = self._cloudformation.get_paginator("list_stack_resources")
        with translate_errors():
            return {
                resource["LogicalResourceId"]: resource.get("PhysicalResourceId", "")
                for page in pages.paginate(StackName=stack.stack_id)
                for resource in page["StackResourceSummaries"]
                if resource["ResourceStatus"] != "DELETE_COMPLETE"
            }

    def _describe(self) -> Description | None:
        with translate_errors():
            try:
                stack = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
            except ClientError as error:
                if error_code(error) == "ValidationError" and "does not exist" in str(error):
                    return None
                raise
        if stack["StackStatus"] == "DELETE_COMPLETE":
            return None
        return Description(
            stack["StackId"],
            stack["StackStatus"],
            {each["ParameterKey"]: each.get("ParameterValue", "") for each in stack.get("Parameters", [])},
            {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])},
        )


def preview_stack_name(names: Names) -> str:
    """Return the name of a stack that is never created: its change set shows what a new stack would hold."""
    return f"{names.stack}-preview"


class ChangeRequest(NamedTuple):
    """The request for a change set."""

    kind: Literal["CREATE", "UPDATE"]
    parameters: Sequence[Mapping[str, Any]]
    template: str | None = None
    """None keeps the template of the stack."""
    tags: Mapping[str, str] | None = None
    """None keeps the tags of the stack."""
    adopt: bool = False
    """Whether to import existing resources that have a name of the template and belong to no stack."""


class ChangeSet(NamedTuple):
    """A change set that can be executed."""

    change_set_id: str
    stack_id: str
    creates_stack: bool
    resource_changes: Sequence[Mapping[str, Any]]
    """As CloudFormation describes them."""


class ChangeSetClient:
    """The change sets of one stack."""

    def __init__(self, cloudformation: Client, stack: str, poll_interval: PollInterval) -> None:
        self._cloudformation = cloudformation
        self._stack_name = stack
        self._poll_interval = poll_interval

    def create(self, request: ChangeRequest) -> ChangeSet | None:
        """Create a change set; return None if it would change nothing.

        Raises:
            AwsError: CloudFormation rejects it.
        """
        with translate_errors():
            response = self._cloudformation.create_change_set(**self._arguments(request))
        change_set = ChangeSet(response["Id"], response["StackId"], request.kind == "CREATE", ())
        try:
            failed = wait_for(
                self._cloudformation,
                "change_set_create_complete",
                self._poll_interval,
                ChangeSetName=change_set.change_set_id,
            )
            if failed is None:
                return change_set._replace(resource_changes=self._resource_changes(change_set))
        except BaseException:
            self.delete(change_set)
            raise
        reason = failed.get("StatusReason") or "it gives no reason"
        unchanged = any(text in reason for text in _NO_CHANGES)
        failures = (
            [] if unchanged
            else _validation_failures(self._cloudformation, ChangeSetName=change_set.change_set_id)
        )  # fmt: skip
        self.delete(change_set)
        if unchanged:
            return None
        details = "; ".join(f"{failure.resource}: {failure.detail}" for failure in failures)
        raise AwsError(
            f"CloudFormation rejects the changes to the stack {self._stack_name}: {details or reason}"
        )

    def delete(self, change_set: ChangeSet) -> None:
        """Delete a change set, and the empty stack that was created to hold it.

        Raises:
            AwsError: a request to CloudFormation fails.
        """
        with translate_errors():
            self._cloudformation.delete_change_set(ChangeSetName=change_set.change_set_id)
        if change_set.creates_stack:
            Stack(self._cloudformation, self._stack_name, self._poll_interval).delete_if_in_review()

    def execute(self, change_set: ChangeSet, report: Report) -> None:
        """Execute a change set.

        Raises:
            AwsError: a resource failed; the message names it and the reason. CloudFormation has rolled
                back the other changes.
        """
        events = events_from_now(self._cloudformation, change_set.stack_id)
        with translate_errors():
            self._cloudformation.execute_change_set(ChangeSetName=change_set.change_set_id)
        result = events.follow(report, self._poll_interval, started=False)
        if result.status in _SUCCEEDED:
            return
        if not result.failures:
            failures = _validation_failures(self._cloudformation, StackName=change_set.stack_id)
            result = result._replace(failures=failures)
        action = "could not be created" if change_set.creates_stack else "could not be updated"
        raise _operation_error(self._stack_name, action, result)

    def _arguments(self, request: ChangeRequest) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "StackName": self._stack_name,
            "ChangeSetName": f"stockctl-{uuid.uuid4().hex}",
            "ChangeSetType": request.kind,
            "Capabilities": ["CAPABILITY_IAM"],
            "Parameters": request.parameters,
        }
        if request.template is None:
            arguments["UsePreviousTemplate"] = True
        else:
            arguments["TemplateBody"] = request.template
        if request.tags is not None:
            arguments["Tags"] = [{"Key": key, "Value": value} for key, value in request.tags.items()]
        if request.adopt:
            arguments["ImportExistingResources"] = True
            if _knows_disable_validation(self._cloudformation):
                # The validation rejects names that exist already, which are the ones to adopt.
                arguments["DisableValidation"] = True
        return arguments

    def _resource_changes(self, change_set: ChangeSet) -> list[Mapping[str, Any]]:
        pages = self._cloudformation.get_paginator("describe_change_set")
        with translate_errors():
            return [
                change["ResourceChange"]
                for page in pages.paginate(ChangeSetName=change_set.change_set_id)
                for change in page["Changes"]
            ]


def _operation_error(stack: str, action: str, result: OperationResult) -> AwsError:
    """Return the error of a failed operation: the resources that failed, and why."""
    failures = result.failures[:_NAMED_FAILURES]
    causes = "; ".join(f"{failure.resource}: {failure.detail or failure.status}" for failure in failures)
    reason = causes or f"Its status is {result.status}, and no resource gives a reason"
    undone = "Everything is as it was before. " if "ROLLBACK_COMPLETE" in result.status else ""
    return AwsError(
        f"The stack {stack} {action}. {reason.rstrip('.')}.",
        f"{undone}Remove the cause, then run the command again: it continues from here.",
    )


def _validation_failures(cloudformation: Client, **operation: str) -> list[StackEvent]:
    """Return what CloudFormation's validation before an operation rejected, by resource.

    Args:
        cloudformation: the client of the service.
        operation: ``StackName`` or ``ChangeSetName``.

    Raises:
        AwsError: a request to CloudFormation fails.
    """
    if not hasattr(cloudformation, "describe_events"):  # botocore from before November 2025
        return []
    failures: list[StackEvent] = []
    arguments: dict[str, Any] = {**operation, "Filters": {"FailedEvents": True}}
    while True:
        with translate_errors():
            response = cloudformation.describe_events(**arguments)
        failures += [
            _validation_event(event)
            for event in response["OperationEvents"]
            if event.get("EventType") == "VALIDATION_ERROR" and event.get("ValidationStatusReason")
        ]
        if "NextToken" not in response:
            return failures
        arguments["NextToken"] = response["NextToken"]


def _validation_event(event: Mapping[str, Any]) -> StackEvent:
    return StackEvent(
        str(event.get("LogicalResourceId", "")),
        str(event.get("ValidationStatus", "FAILED")),
        str(event["ValidationStatusReason"]),
    )


def _knows_disable_validation(cloudformation: Client) -> bool:
    """Return whether the installed botocore has the parameter ``DisableValidation``."""
    operation = cloudformation.meta.service_model.operation_model("CreateChangeSet")
    return "DisableValidation" in operation.input_shape.members

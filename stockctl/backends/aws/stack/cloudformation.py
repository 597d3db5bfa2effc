"""The CloudFormation stack: template validation, change sets, creation, deletion."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from botocore.exceptions import ClientError

from stockctl.backends.aws.client import Client
from stockctl.backends.aws.errors import error_code, translate_errors
from stockctl.backends.aws.names import Names
from stockctl.backends.aws.stack.events import (
    OperationResult,
    PollInterval,
    Report,
    StackEvent,
    events_from_now,
    in_progress,
)
from stockctl.errors import AwsError

REVIEW = "REVIEW_IN_PROGRESS"
STUCK = "UPDATE_ROLLBACK_FAILED"
_DEAD = frozenset({"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"})


class Description(NamedTuple):
    """A stack as CloudFormation describes it."""

    stack_id: str
    status: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]

    @property
    def dead(self) -> bool:
        """Whether it can only be deleted: its creation, or its deletion, failed."""
        return self.status in _DEAD


class Stack:
    """One stack, by name."""

    def __init__(self, cloudformation: Client, name: str, pace: PollInterval) -> None:
        self._cloudformation = cloudformation
        self.name = name
        self._pace = pace

    def describe(self) -> Description | None:
        """Return the stack, or None when there is none (or only one that was never made).

        Raises:
            AwsError: CloudFormation cannot be asked.
        """
        found = self._found()
        return None if found is None or found.status == REVIEW else found

    def settle(self, report: Report) -> Description | None:
        """Wait until nothing is under way, then return the stack.

        Raises:
            AwsError: CloudFormation cannot be asked.
        """
        while (found := self.describe()) is not None and in_progress(found.status):
            report(StackEvent(self.name, found.status, "waiting for what is under way"))
            events_from_now(self._cloudformation, found.stack_id).follow(report, self._pace, begun=True)
        return found

    def resume_rollback(self, found: Description, report: Report) -> Description | None:
        """Finish the rollback of an update that got stuck.

        Raises:
            AwsError: it gets stuck again; the message names the resource and tells why.
        """
        report(StackEvent(self.name, found.status, "finishing the rollback"))
        events = events_from_now(self._cloudformation, found.stack_id)
        with translate_errors():
            self._cloudformation.continue_update_rollback(StackName=self.name)
        ending = events.follow(report, self._pace, begun=False)
        if ending.status != "UPDATE_ROLLBACK_COMPLETE":
            raise failure(self.name, "could not be rolled back", ending)
        return self.describe()

    def delete(self, found: Description, report: Report) -> None:
        """Delete the stack, with all but what its template retains.

        Raises:
            AwsError: a resource could not be deleted; the message names it and tells why.
        """
        events = events_from_now(self._cloudformation, found.stack_id)
        with translate_errors():
            self._cloudformation.delete_stack(StackName=found.stack_id)
        ending = events.follow(report, self._pace, begun=False)
        if ending.status != "DELETE_COMPLETE":
            raise failure(self.name, "could not be deleted", ending)

    def forget_review(self) -> None:
        """Remove the empty stack that an interrupted plan may have left.

        Raises:
            AwsError: CloudFormation refuses.
        """
        found = self._found()
        if found is not None and found.status == REVIEW:
            with translate_errors():
                self._cloudformation.delete_stack(StackName=found.stack_id)

    def physical_ids(self, found: Description | None) -> dict[str, str]:
        """Return the physical ids of the stack's resources, by logical id; none without a stack.

        Raises:
            AwsError: CloudFormation cannot be asked.
        """
        if found is None:
            return {}
        pages = self._cloudformation.get_paginator("list_stack_resources")
        with translate_errors():
            return {
                resource["LogicalResourceId"]: resource.get("PhysicalResourceId", "")
                for page in pages.paginate(StackName=found.stack_id)
                for resource in page["StackResourceSummaries"]
                if resource["ResourceStatus"] != "DELETE_COMPLETE"
            }

    def _found(self) -> Description | None:
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


def change_set_preview(names: Names) -> str:
    """Return the name of the stack that is never made: it shows what a new one would hold."""
    return f"{names.stack}-preview"


def failure(stack: str, what: str, ending: OperationResult) -> AwsError:
    """Return how an operation on a stack failed: the resources that did, and why."""
    causes = [f"{each.resource}: {each.detail or each.status}" for each in ending.failures[:3]]
    why = "; ".join(causes) or f"it is {ending.status}, and no resource says why"
    undone = "Everything is as it was before. " if "ROLLBACK_COMPLETE" in ending.status else ""
    return AwsError(
        f"The stack {stack} {what}. {why.rstrip('.')}.",
        f"{undone}Once the cause is gone, run the command again: it goes on from here.",
    )


def problems(cloudformation: Client, **of: str) -> list[StackEvent]:
    """Return what the checks ahead of an operation found, by resource.

    Args:
        cloudformation: the client.
        of: ``StackName`` or ``ChangeSetName``.

    Raises:
        AwsError: CloudFormation cannot be asked.
    """
    if not hasattr(cloudformation, "describe_events"):  # botocore of before November 2025
        return []
    found: list[StackEvent] = []
    arguments: dict[str, Any] = {**of, "Filters": {"FailedEvents": True}}
    while True:
        with translate_errors():
            answer = cloudformation.describe_events(**arguments)
        found += [_progress(event) for event in answer["OperationEvents"] if _is_problem(event)]
        if "NextToken" not in answer:
            return found
        arguments["NextToken"] = answer["NextToken"]


def can_be_disabled(cloudformation: Client) -> bool:
    """Whether this botocore can ask CloudFormation to leave these checks out."""
    operation = cloudformation.meta.service_model.operation_model("CreateChangeSet")
    return "DisableValidation" in operation.input_shape.members


def _is_problem(event: Mapping[str, Any]) -> bool:
    return bool(event.get("EventType") == "VALIDATION_ERROR" and event.get("ValidationStatusReason"))


def _progress(event: Mapping[str, Any]) -> StackEvent:
    return StackEvent(
        str(event.get("LogicalResourceId", "")),
        str(event.get("ValidationStatus", "FAILED")),
        str(event["ValidationStatusReason"]),
    )


_DONE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})
_UNCHANGED = ("didn't contain changes", "No updates are to be performed")


class ChangeRequest(NamedTuple):
    """What a change set is made of."""

    kind: Literal["CREATE", "UPDATE"]
    parameters: Sequence[Mapping[str, Any]]
    template: str | None = None
    """None: the one that the stack has."""
    tags: Mapping[str, str] | None = None
    """None: those that the stack has."""
    adopt: bool = False
    """Whether what exists outside of any stack, under a name that stands in the template, is taken in."""


class ChangeSet(NamedTuple):
    """A change set that can be executed."""

    change_set_id: str
    stack_id: str
    new: bool
    """Whether it makes the stack."""
    resource_changes: Sequence[Mapping[str, Any]]
    """As CloudFormation describes them."""


class ChangeSetClient:
    """The change sets of one stack."""

    def __init__(self, cloudformation: Client, stack: str, pace: PollInterval) -> None:
        self._cloudformation = cloudformation
        self._name = stack
        self._pace = pace

    def propose(self, request: ChangeRequest) -> ChangeSet | None:
        """Make a change set and return it; None when it would change nothing.

        Raises:
            AwsError: CloudFormation refuses it.
        """
        with translate_errors():
            made = self._cloudformation.create_change_set(**self._arguments(request))
        empty = ChangeSet(made["Id"], made["StackId"], request.kind == "CREATE", ())
        try:
            answer = self._awaited(empty)
            proposal = empty._replace(resource_changes=self._changes(answer))
        except BaseException:
            self.withdraw(empty)
            raise
        if answer["Status"] == "CREATE_COMPLETE":
            return proposal
        reason = answer.get("StatusReason") or "it gives no reason"
        unchanged = any(words in reason for words in _UNCHANGED)
        found = [] if unchanged else problems(self._cloudformation, ChangeSetName=proposal.change_set_id)
        self.withdraw(proposal)
        if unchanged:
            return None
        details = "; ".join(f"{problem.resource}: {problem.detail}" for problem in found)
        raise AwsError(f"CloudFormation refuses the changes to the stack {self._name}: {details or reason}")

    def withdraw(self, proposal: ChangeSet) -> None:
        """Remove a change set, and the empty stack that was made to hold it.

        Raises:
            AwsError: CloudFormation refuses.
        """
        with translate_errors():
            self._cloudformation.delete_change_set(ChangeSetName=proposal.change_set_id)
        if proposal.new:
            Stack(self._cloudformation, self._name, self._pace).forget_review()

    def execute(self, proposal: ChangeSet, report: Report) -> None:
        """Do what the change set says.

        Raises:
            AwsError: a resource failed; the message names it and tells why. CloudFormation has undone the
                rest.
        """
        events = events_from_now(self._cloudformation, proposal.stack_id)
        with translate_errors():
            self._cloudformation.execute_change_set(ChangeSetName=proposal.change_set_id)
        ending = events.follow(report, self._pace, begun=False)
        if ending.status in _DONE:
            return
        if not ending.failures:
            ending = ending._replace(failures=problems(self._cloudformation, StackName=proposal.stack_id))
        raise failure(self._name, "could not be created" if proposal.new else "could not be updated", ending)

    def _arguments(self, request: ChangeRequest) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "StackName": self._name,
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
            if can_be_disabled(self._cloudformation):
                # They refuse names that are taken, and those are the ones to adopt.
                arguments["DisableValidation"] = True
        return arguments

    def _awaited(self, proposal: ChangeSet) -> Mapping[str, Any]:
        while True:
            with translate_errors():
                answer: Mapping[str, Any] = self._cloudformation.describe_change_set(
                    ChangeSetName=proposal.change_set_id
                )
            if answer["Status"] in ("CREATE_COMPLETE", "FAILED"):
                return answer
            self._pace.wait()

    def _changes(self, answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        changes = [change["ResourceChange"] for change in answer["Changes"]]
        while token := answer.get("NextToken"):
            with translate_errors():
                answer = self._cloudformation.describe_change_set(
                    ChangeSetName=answer["ChangeSetId"], NextToken=token
                )
            changes += [change["ResourceChange"] for change in answer["Changes"]]
        return changes

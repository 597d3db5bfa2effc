"""The CloudFormation stack: what state it is in, waiting for it, and deleting it."""

from collections.abc import Mapping
from typing import NamedTuple

from botocore.exceptions import ClientError

from stockctl.aws.clients import Client
from stockctl.aws.faults import explained
from stockctl.aws.names import Names
from stockctl.aws.progress import Ending, Pace, Progress, Report, events_from_now, in_progress
from stockctl.aws.refused import error_code
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

    def __init__(self, cloudformation: Client, name: str, pace: Pace) -> None:
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
            report(Progress(self.name, found.status, "waiting for what is under way"))
            events_from_now(self._cloudformation, found.stack_id).follow(report, self._pace, begun=True)
        return found

    def resume_rollback(self, found: Description, report: Report) -> Description | None:
        """Finish the rollback of an update that got stuck.

        Raises:
            AwsError: it gets stuck again; the message names the resource and tells why.
        """
        report(Progress(self.name, found.status, "finishing the rollback"))
        events = events_from_now(self._cloudformation, found.stack_id)
        with explained():
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
        with explained():
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
            with explained():
                self._cloudformation.delete_stack(StackName=found.stack_id)

    def physical_ids(self, found: Description | None) -> dict[str, str]:
        """Return the physical ids of the stack's resources, by logical id; none without a stack.

        Raises:
            AwsError: CloudFormation cannot be asked.
        """
        if found is None:
            return {}
        pages = self._cloudformation.get_paginator("list_stack_resources")
        with explained():
            return {
                resource["LogicalResourceId"]: resource.get("PhysicalResourceId", "")
                for page in pages.paginate(StackName=found.stack_id)
                for resource in page["StackResourceSummaries"]
                if resource["ResourceStatus"] != "DELETE_COMPLETE"
            }

    def _found(self) -> Description | None:
        with explained():
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


def preview_of(names: Names) -> str:
    """Return the name of the stack that is never made: it shows what a new one would hold."""
    return f"{names.stack}-preview"


def failure(stack: str, what: str, ending: Ending) -> AwsError:
    """Return how an operation on a stack failed: the resources that did, and why."""
    causes = [f"{each.resource}: {each.detail or each.status}" for each in ending.failures[:3]]
    why = "; ".join(causes) or f"it is {ending.status}, and no resource says why"
    undone = "Everything is as it was before. " if "ROLLBACK_COMPLETE" in ending.status else ""
    return AwsError(
        f"The stack {stack} {what}. {why.rstrip('.')}.",
        f"{undone}Once the cause is gone, run the command again: it goes on from here.",
    )

"""Change sets of a stack: proposed, shown, and executed or withdrawn."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from stockctl.aws.clients import Client
from stockctl.aws.faults import explained
from stockctl.aws.progress import Pace, Report, events_from_now
from stockctl.aws.stack import Stack, failure
from stockctl.aws.validation import can_be_disabled, problems
from stockctl.errors import AwsError

_DONE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})
_UNCHANGED = ("didn't contain changes", "No updates are to be performed")


class Request(NamedTuple):
    """What a change set is made of."""

    kind: Literal["CREATE", "UPDATE"]
    parameters: Sequence[Mapping[str, Any]]
    template: str | None = None
    """None: the one that the stack has."""
    tags: Mapping[str, str] | None = None
    """None: those that the stack has."""
    adopt: bool = False
    """Whether what exists outside of any stack, under a name that stands in the template, is taken in."""


class Proposal(NamedTuple):
    """A change set that can be executed."""

    change_set_id: str
    stack_id: str
    new: bool
    """Whether it makes the stack."""
    resource_changes: Sequence[Mapping[str, Any]]
    """As CloudFormation describes them."""


class ChangeSets:
    """The change sets of one stack."""

    def __init__(self, cloudformation: Client, stack: str, pace: Pace) -> None:
        self._cloudformation = cloudformation
        self._name = stack
        self._pace = pace

    def propose(self, request: Request) -> Proposal | None:
        """Make a change set and return it; None when it would change nothing.

        Raises:
            AwsError: CloudFormation refuses it.
        """
        with explained():
            made = self._cloudformation.create_change_set(**self._arguments(request))
        empty = Proposal(made["Id"], made["StackId"], request.kind == "CREATE", ())
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

    def withdraw(self, proposal: Proposal) -> None:
        """Remove a change set, and the empty stack that was made to hold it.

        Raises:
            AwsError: CloudFormation refuses.
        """
        with explained():
            self._cloudformation.delete_change_set(ChangeSetName=proposal.change_set_id)
        if proposal.new:
            Stack(self._cloudformation, self._name, self._pace).forget_review()

    def execute(self, proposal: Proposal, report: Report) -> None:
        """Do what the change set says.

        Raises:
            AwsError: a resource failed; the message names it and tells why. CloudFormation has undone the
                rest.
        """
        events = events_from_now(self._cloudformation, proposal.stack_id)
        with explained():
            self._cloudformation.execute_change_set(ChangeSetName=proposal.change_set_id)
        ending = events.follow(report, self._pace, begun=False)
        if ending.status in _DONE:
            return
        if not ending.failures:
            ending = ending._replace(failures=problems(self._cloudformation, StackName=proposal.stack_id))
        raise failure(self._name, "could not be created" if proposal.new else "could not be updated", ending)

    def _arguments(self, request: Request) -> dict[str, Any]:
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

    def _awaited(self, proposal: Proposal) -> Mapping[str, Any]:
        while True:
            with explained():
                answer: Mapping[str, Any] = self._cloudformation.describe_change_set(
                    ChangeSetName=proposal.change_set_id
                )
            if answer["Status"] in ("CREATE_COMPLETE", "FAILED"):
                return answer
            self._pace.wait()

    def _changes(self, answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        changes = [change["ResourceChange"] for change in answer["Changes"]]
        while token := answer.get("NextToken"):
            with explained():
                answer = self._cloudformation.describe_change_set(
                    ChangeSetName=answer["ChangeSetId"], NextToken=token
                )
            changes += [change["ResourceChange"] for change in answer["Changes"]]
        return changes

"""Error messages when CloudFormation rejects a change set or an operation fails."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.stack.cloudformation import (
    ChangeRequest,
    ChangeSet,
    ChangeSetClient,
    Description,
    Stack,
)
from stockctl.backends.aws.stack.events import StackEvent
from stockctl.backends.aws.stack.polling import PollInterval
from stockctl.errors import AwsError
from support.aws.moto_account import CREDENTIALS

STACK_ID = "arn:aws:cloudformation:eu-west-1:123456789012:stack/stockctl/1"
CHANGE_SET = "arn:aws:cloudformation:eu-west-1:123456789012:changeSet/x/1"
UPDATE = ChangeSet(CHANGE_SET, STACK_ID, False, ())
AT_ONCE = PollInterval(0.0, lambda seconds: None)


@pytest.fixture
def cloudformation(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """A client with prepared responses that must all be requested."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with Stubber(Connection("eu-west-1", attempts=1).client("cloudformation")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def event(
    number: int, resource: str, status: str, reason: str = "", kind: str = "AWS::X::Y"
) -> dict[str, Any]:
    """Return a stack event."""
    return {
        "StackId": STACK_ID, "EventId": str(number), "StackName": "stockctl", "LogicalResourceId": resource,
        "ResourceType": kind, "Timestamp": datetime(2026, 1, 1, tzinfo=UTC), "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }  # fmt: skip


def stack_event(number: int, status: str) -> dict[str, Any]:
    """Return an event of the stack itself."""
    return event(number, "stockctl", status, kind="AWS::CloudFormation::Stack")


def answer_status(stubber: Stubber, status: str) -> None:
    """Have the stack described once."""
    stack = {"StackName": "stockctl", "StackId": STACK_ID, "StackStatus": status}
    stubber.add_response(
        "describe_stacks", {"Stacks": [{**stack, "CreationTime": datetime(2026, 1, 1, tzinfo=UTC)}]}
    )


def answer_events(stubber: Stubber, *newest_first: dict[str, Any]) -> None:
    """Have the events of the stack listed once."""
    stubber.add_response("describe_stack_events", {"StackEvents": list(newest_first)})


def test_the_first_failure_is_named_and_cancelled_ones_are_not(cloudformation: Stubber) -> None:
    """Of three failed resources, the two that had a reason of their own stand in the message, in order."""
    old = stack_event(1, "UPDATE_COMPLETE")
    begun = [stack_event(2, "UPDATE_IN_PROGRESS"), event(3, "Stream", "UPDATE_IN_PROGRESS")]
    failed = [
        event(4, "Stream", "UPDATE_FAILED", "Rate of shard changes exceeded."),
        event(5, "QuotesTable", "UPDATE_FAILED", "Resource update cancelled"),
        event(6, "Workgroup", "UPDATE_FAILED", "No such bucket"),
    ]
    ended = stack_event(7, "UPDATE_ROLLBACK_COMPLETE")
    answer_events(cloudformation, old)
    cloudformation.add_response("execute_change_set", {}, {"ChangeSetName": CHANGE_SET})
    answer_status(cloudformation, "UPDATE_IN_PROGRESS")
    answer_events(cloudformation, *begun[::-1], old)
    answer_status(cloudformation, "UPDATE_ROLLBACK_COMPLETE")
    answer_events(cloudformation, *failed[::-1], *begun[::-1], old)
    answer_events(cloudformation, ended, *failed[::-1], *begun[::-1], old)
    seen: list[StackEvent] = []

    with pytest.raises(AwsError) as refused:
        ChangeSetClient(cloudformation.client, "stockctl", AT_ONCE).execute(UPDATE, seen.append)

    assert refused.value.message == (
        "The stack stockctl could not be updated. Stream: Rate of shard changes exceeded.; "
        "Workgroup: No such bucket."
    )
    assert refused.value.hint == (
        "Everything is as it was before. "
        "Remove the cause, then run the command again: it continues from here."
    )
    assert [each.status for each in seen] == [e["ResourceStatus"] for e in [*begun, *failed, ended]]


def test_a_status_from_before_does_not_end_the_wait(cloudformation: Stubber) -> None:
    """Right after the start CloudFormation returns the old status; wait for the first new event."""
    old = stack_event(1, "UPDATE_COMPLETE")
    answer_events(cloudformation, old)
    cloudformation.add_response("execute_change_set", {})
    answer_status(cloudformation, "UPDATE_COMPLETE")
    answer_events(cloudformation, old)
    answer_status(cloudformation, "UPDATE_COMPLETE")
    answer_events(
        cloudformation, stack_event(3, "UPDATE_COMPLETE"), stack_event(2, "UPDATE_IN_PROGRESS"), old
    )
    answer_events(cloudformation, stack_event(3, "UPDATE_COMPLETE"))

    ChangeSetClient(cloudformation.client, "stockctl", AT_ONCE).execute(UPDATE, lambda progress: None)


def test_an_update_that_cannot_be_rolled_back_names_the_resource(cloudformation: Stubber) -> None:
    """A stuck rollback is resumed; if it gets stuck again, the error names the resource."""
    found = Description(STACK_ID, "UPDATE_ROLLBACK_FAILED", {}, {})
    answer_events(cloudformation, stack_event(1, "UPDATE_ROLLBACK_FAILED"))
    cloudformation.add_response("continue_update_rollback", {}, {"StackName": "stockctl"})
    answer_status(cloudformation, "UPDATE_ROLLBACK_FAILED")
    answer_events(
        cloudformation,
        stack_event(4, "UPDATE_ROLLBACK_FAILED"),
        event(3, "IngestRole", "UPDATE_FAILED", "Role is gone"),
        stack_event(2, "UPDATE_ROLLBACK_IN_PROGRESS"),
        stack_event(1, "UPDATE_ROLLBACK_FAILED"),
    )
    answer_events(cloudformation, stack_event(4, "UPDATE_ROLLBACK_FAILED"))

    with pytest.raises(AwsError, match=r"could not be rolled back\. IngestRole: Role is gone\."):
        Stack(cloudformation.client, "stockctl", AT_ONCE).resume_rollback(found, lambda progress: None)


def test_a_stack_that_cannot_be_deleted_names_the_resource(cloudformation: Stubber) -> None:
    """Teardown stops there, with the data untouched."""
    answer_events(cloudformation, stack_event(1, "CREATE_COMPLETE"))
    cloudformation.add_response("delete_stack", {}, {"StackName": STACK_ID})
    answer_status(cloudformation, "DELETE_FAILED")
    answer_events(
        cloudformation,
        stack_event(4, "DELETE_FAILED"),
        event(3, "Workgroup", "DELETE_FAILED", "WorkGroup stockctl is not empty"),
        stack_event(2, "DELETE_IN_PROGRESS"),
        stack_event(1, "CREATE_COMPLETE"),
    )
    answer_events(cloudformation, stack_event(4, "DELETE_FAILED"))

    with pytest.raises(AwsError) as refused:
        Stack(cloudformation.client, "stockctl", AT_ONCE).delete(
            Description(STACK_ID, "CREATE_COMPLETE", {}, {}), lambda progress: None
        )

    assert refused.value.message == (
        "The stack stockctl could not be deleted. Workgroup: WorkGroup stockctl is not empty."
    )
    assert refused.value.hint == "Remove the cause, then run the command again: it continues from here."


def refuse(stubber: Stubber, reason: str, problems: list[dict[str, Any]]) -> None:
    """Have a change set fail for ``reason``, with what the checks ahead of it found."""
    stubber.add_response("create_change_set", {"Id": CHANGE_SET, "StackId": STACK_ID})
    stubber.add_response("describe_change_set", {"Status": "FAILED", "StatusReason": reason, "Changes": []})
    asked = {"ChangeSetName": CHANGE_SET, "Filters": ANY}
    stubber.add_response("describe_events", {"OperationEvents": problems}, asked)
    stubber.add_response("delete_change_set", {})


def test_a_refused_change_set_tells_what_the_checks_found(cloudformation: Stubber) -> None:
    """Not that a validation failed, but which resource and why; the change set is removed."""
    problem = {
        "EventId": "1", "StackId": STACK_ID, "EventType": "VALIDATION_ERROR",
        "LogicalResourceId": "DataBucket",
        "ValidationStatus": "FAILED", "ValidationStatusReason": "The name exists already.",
        "Timestamp": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    refuse(cloudformation, "Validation failed.", [problem])

    with pytest.raises(AwsError) as refused:
        ChangeSetClient(cloudformation.client, "stockctl", AT_ONCE).create(ChangeRequest("UPDATE", []))

    assert refused.value.message == (
        "CloudFormation rejects the changes to the stack stockctl: DataBucket: The name exists already."
    )


def test_a_refused_change_set_without_checks_tells_the_reason(cloudformation: Stubber) -> None:
    """The reason of CloudFormation is shown."""
    refuse(cloudformation, "Parameters: [X] must have values", [])

    with pytest.raises(AwsError, match=r"stack stockctl: Parameters: \[X\] must have values"):
        ChangeSetClient(cloudformation.client, "stockctl", AT_ONCE).create(ChangeRequest("UPDATE", []))


def test_a_change_set_without_changes_is_no_failure(cloudformation: Stubber) -> None:
    """CloudFormation calls it FAILED; it is removed, and nothing is proposed."""
    cloudformation.add_response("create_change_set", {"Id": CHANGE_SET, "StackId": STACK_ID})
    reason = "The submitted information didn't contain changes. Submit different information."
    cloudformation.add_response(
        "describe_change_set", {"Status": "FAILED", "StatusReason": reason, "Changes": []}
    )
    cloudformation.add_response("delete_change_set", {}, {"ChangeSetName": CHANGE_SET})

    assert (
        ChangeSetClient(cloudformation.client, "stockctl", AT_ONCE).create(ChangeRequest("UPDATE", []))
        is None
    )


def test_a_long_change_set_is_read_to_its_end(cloudformation: Stubber) -> None:
    """All pages, in order, after it was awaited."""
    cloudformation.add_response("create_change_set", {"Id": CHANGE_SET, "StackId": STACK_ID})
    cloudformation.add_response("describe_change_set", {"Status": "CREATE_IN_PROGRESS", "Changes": []})
    cloudformation.add_response("describe_change_set", {"Status": "CREATE_COMPLETE", "Changes": []})
    for token, name in (("next", "A"), ("", "B")):
        page: dict[str, Any] = {
            "Status": "CREATE_COMPLETE", "ChangeSetId": CHANGE_SET,
            "Changes": [{"ResourceChange": {"LogicalResourceId": name}}],
        }  # fmt: skip
        cloudformation.add_response("describe_change_set", page | ({"NextToken": token} if token else {}))

    proposal = ChangeSetClient(cloudformation.client, "stockctl", AT_ONCE).create(ChangeRequest("UPDATE", []))

    assert proposal is not None
    assert [each["LogicalResourceId"] for each in proposal.resource_changes] == ["A", "B"]


@pytest.mark.parametrize(
    ("code", "message", "words"),
    [
        (
            "AccessDenied",
            "User: arn:aws:iam::1:user/a is not authorized to perform: cloudformation:CreateChangeSet on "
            "resource: arn:aws:cloudformation:eu-west-1:1:stack/stockctl/*",
            r"AWS denies cloudformation:CreateChangeSet on arn:aws:cloudformation:eu-west-1:1:stack/",
        ),
        ("ExpiredToken", "The security token included in the request is expired", "credentials have expired"),
        ("LimitExceededException", "stacks", "A quota of the AWS account is exceeded"),
        ("Throttling", "Rate exceeded", "AWS throttles cloudformation:CreateChangeSet on stockctl"),
    ],
)
def test_a_refused_call_is_explained(cloudformation: Stubber, code: str, message: str, words: str) -> None:
    """Denied, expired, over quota, throttled: each in a sentence."""
    cloudformation.add_client_error("create_change_set", code, message)

    with pytest.raises(AwsError, match=words):
        ChangeSetClient(cloudformation.client, "stockctl", AT_ONCE).create(ChangeRequest("UPDATE", []))

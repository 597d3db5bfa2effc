"""What CloudFormation found wrong before it began."""

from collections.abc import Mapping
from typing import Any

from stockctl.aws.clients import Client
from stockctl.aws.faults import explained
from stockctl.aws.progress import Progress


def problems(cloudformation: Client, **of: str) -> list[Progress]:
    """Return what the checks ahead of an operation found, by resource.

    Args:
        cloudformation: the client.
        of: ``StackName`` or ``ChangeSetName``.

    Raises:
        AwsError: CloudFormation cannot be asked.
    """
    if not hasattr(cloudformation, "describe_events"):  # botocore of before November 2025
        return []
    found: list[Progress] = []
    arguments: dict[str, Any] = {**of, "Filters": {"FailedEvents": True}}
    while True:
        with explained():
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


def _progress(event: Mapping[str, Any]) -> Progress:
    return Progress(
        str(event.get("LogicalResourceId", "")),
        str(event.get("ValidationStatus", "FAILED")),
        str(event["ValidationStatusReason"]),
    )

"""Where the account differs from the stack."""

from collections.abc import Sequence

from stockctl.aws.clients import Client
from stockctl.aws.faults import explained
from stockctl.aws.progress import Pace

_LONGEST_SECONDS = 60.0


def drifted(cloudformation: Client, stack_id: str, pace: Pace) -> Sequence[str] | None:
    """Return the resources that were changed or deleted outside of the stack; None when that takes too long.

    Raises:
        AwsError: CloudFormation cannot compare them.
    """
    with explained():
        detection = cloudformation.detect_stack_drift(StackName=stack_id)["StackDriftDetectionId"]
    waited = 0.0
    while waited < _LONGEST_SECONDS:
        with explained():
            answer = cloudformation.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
        if answer["DetectionStatus"] != "DETECTION_IN_PROGRESS":
            return sorted(_differing(cloudformation, stack_id))
        pace.wait()
        waited += pace.interval
    return None


def _differing(cloudformation: Client, stack_id: str) -> list[str]:
    differing: list[str] = []
    arguments = {"StackName": stack_id, "StackResourceDriftStatusFilters": ["MODIFIED", "DELETED"]}
    while True:
        with explained():
            answer = cloudformation.describe_stack_resource_drifts(**arguments)
        differing += [
            f"{each['LogicalResourceId']} {each['StackResourceDriftStatus'].lower()}"
            for each in answer["StackResourceDrifts"]
        ]
        if "NextToken" not in answer:
            return differing
        arguments["NextToken"] = answer["NextToken"]

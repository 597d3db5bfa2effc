"""The code that the functions run."""

import base64
from collections.abc import Sequence

from stockctl.aws.bundle import Bundle
from stockctl.aws.clients import Client
from stockctl.aws.faults import explained
from stockctl.aws.names import Names
from stockctl.aws.progress import Pace, Progress, Report
from stockctl.errors import AwsError


def running_other_code(functions: Client, names: Names, bundle: Bundle) -> Sequence[str]:
    """Return the names of the functions whose code is not ``bundle``, by SHA-256.

    Raises:
        AwsError: Lambda cannot be asked.
    """
    return [name for name in names.functions if code_sha256(functions, name) != bundle.sha256]


def replace_code(
    functions: Client, names: Names, stale: Sequence[str], bundle: Bundle, report: Report, pace: Pace
) -> None:
    """Give the functions the code that the stack says they have, after somebody changed it by hand.

    Raises:
        AwsError: Lambda refuses, or a function still runs other code afterwards.
    """
    for name in stale:
        report(Progress(name, "other code", "changed outside of the stack; it is put right"))
        with explained():
            functions.update_function_code(FunctionName=name, S3Bucket=names.artifacts, S3Key=bundle.key)
        _await_update(functions, name, pace)
    check_code(functions, names, bundle)


def check_code(functions: Client, names: Names, bundle: Bundle) -> None:
    """Make sure that both functions run ``bundle``.

    Raises:
        AwsError: one does not.
    """
    stale = running_other_code(functions, names, bundle)
    if stale:
        raise AwsError(
            f"{' and '.join(stale)} did not take the new code (SHA-256 {bundle.sha256[:12]}…).",
            "Run 'stockctl deploy' again; 'stockctl logs' shows what the function says.",
        )


def code_sha256(functions: Client, name: str) -> str:
    """Return the SHA-256 of the code that a function runs, in hexadecimal digits.

    Raises:
        AwsError: there is no such function, or Lambda cannot be asked.
    """
    with explained():
        digest = functions.get_function_configuration(FunctionName=name)["CodeSha256"]
    return base64.b64decode(digest).hex()


def _await_update(functions: Client, name: str, pace: Pace) -> None:
    while True:
        with explained():
            state = functions.get_function_configuration(FunctionName=name).get("LastUpdateStatus")
        if state != "InProgress":
            return
        pace.wait()

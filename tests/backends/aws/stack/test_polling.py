"""Waiting for AWS with the waiters of botocore: success, a failed end state, a timeout, a refused request."""

from collections.abc import Iterator

import pytest
from botocore.stub import Stubber

from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.stack.polling import PollInterval, wait_for
from stockctl.errors import AwsError
from support.aws.moto_account import CREDENTIALS

AT_ONCE = PollInterval(0.0)
NO_TIME = PollInterval(0.0, timeout=0.0)


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """A Lambda client with prepared responses, all of which must be requested."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with Stubber(Connection("eu-west-1", attempts=1).client("lambda")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def add_status(stubber: Stubber, status: str) -> None:
    """Prepare a response with the status of the last update."""
    stubber.add_response("get_function", {"Configuration": {"LastUpdateStatus": status}})


def test_it_requests_until_the_state_is_reached(functions: Stubber) -> None:
    """A function whose update is in progress is requested again."""
    add_status(functions, "InProgress")
    add_status(functions, "Successful")

    assert wait_for(functions.client, "function_updated_v2", AT_ONCE, FunctionName="f") is None


def test_a_failed_state_is_returned(functions: Stubber) -> None:
    """The caller sees the response and can tell the user what failed."""
    add_status(functions, "Failed")

    failed = wait_for(functions.client, "function_updated_v2", AT_ONCE, FunctionName="f")

    assert failed is not None
    assert failed["Configuration"]["LastUpdateStatus"] == "Failed"


def test_a_timeout_says_what_did_not_happen_and_what_to_do(functions: Stubber) -> None:
    """The message names the resource and the state that was waited for."""
    add_status(functions, "InProgress")

    with pytest.raises(AwsError) as timeout:
        wait_for(functions.client, "function_updated_v2", NO_TIME, FunctionName="f")

    assert timeout.value.message == "f did not reach the state function_updated_v2 within 0 seconds."
    assert timeout.value.hint is not None


def test_a_refused_request_is_explained_as_any_other(functions: Stubber) -> None:
    """A waiter hides the error code; the message still names the permission and the resource."""
    functions.add_client_error("get_function", "AccessDeniedException", "no")

    with pytest.raises(AwsError, match=r"AWS denies lambda:GetFunction on f"):
        wait_for(functions.client, "function_updated_v2", AT_ONCE, FunctionName="f")

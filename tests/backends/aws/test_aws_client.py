"""The settings of the boto3 clients: region, endpoint, retries, user agent, identity."""

import json

import pytest

from stockctl import __version__
from stockctl.backends.aws.client import WORKERS
from stockctl.backends.aws.connection import Connection
from support.aws.loopback_server import Answer, Request, json_error, loopback
from support.aws.moto_account import CREDENTIALS


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


def answer(_: Request) -> Answer:
    """Answer as DynamoDB with nothing."""
    return Answer(
        200, json.dumps({"TableNames": []}).encode(), {"Content-Type": "application/x-amz-json-1.0"}
    )


def test_every_request_says_who_asks():
    """The user agent names stockctl and its version, for CloudTrail."""
    with loopback(answer) as server:
        Connection(endpoint_url=server.url).client("dynamodb").list_tables()
    assert f"stockctl/{__version__}" in server.requests[0].headers["User-Agent"]


def test_the_region_is_the_one_of_the_configuration():
    """It wins over the environment, and is what requests are signed for."""
    with loopback(answer) as server:
        connection = Connection(region="us-east-2", endpoint_url=server.url)
        connection.client("dynamodb").list_tables()
    assert connection.region == "us-east-2"
    assert "/us-east-2/dynamodb/" in server.requests[0].headers["Authorization"]
    assert Connection().region == CREDENTIALS["AWS_DEFAULT_REGION"]


def test_an_endpoint_of_ones_own_is_asked_for_buckets_by_path():
    """No name below localhost has to exist for a bucket."""
    with loopback(lambda _: Answer(200, b"")) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        Connection(endpoint_url=url).client("s3").head_bucket(Bucket="my-bucket")
    assert server.requests[0].path.rstrip("/") == "/my-bucket"


def test_the_environment_may_name_the_endpoint_too(monkeypatch: pytest.MonkeyPatch):
    """As boto3 reads it, in Lambda and on the command line."""
    with loopback(lambda _: Answer(200, b"")) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url.replace("127.0.0.1", "localhost"))
        Connection().client("s3").head_bucket(Bucket="my-bucket")
    assert server.requests[0].path.rstrip("/") == "/my-bucket"


def test_throttled_calls_are_tried_again_a_bounded_number_of_times():
    """Two tries are two requests."""
    with loopback(lambda _: json_error("ThrottlingException", "Rate exceeded")) as server:
        client = Connection(endpoint_url=server.url, attempts=2).client("dynamodb")
        with pytest.raises(client.exceptions.ClientError, match="Throttling"):
            client.list_tables()
    assert len(server.requests) == 2


def test_a_client_is_made_once_and_can_serve_the_whole_crew():
    """The same client each time; its connections are as many as the calls that may be made at once."""
    connection = Connection()
    client = connection.client("s3")
    assert connection.client("s3") is client
    assert client.meta.config.max_pool_connections >= WORKERS
    assert client.meta.config.retries["mode"] == "standard"
    assert client.meta.config.connect_timeout <= 5
    assert client.meta.config.read_timeout <= 30

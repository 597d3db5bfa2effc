"""Error messages for requests that AWS rejects, or that cannot be sent."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from botocore import exceptions as botocore_faults
from botocore.exceptions import BotoCoreError, ClientError

from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.error_messages import translate_errors
from stockctl.errors import AwsError
from support.aws.loopback_server import Answer, json_error, loopback, nobody, s3_error
from support.aws.moto_account import CREDENTIALS


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


def put_records(connection: Connection) -> Any:
    """Ask Kinesis."""
    return connection.client("kinesis").put_records(
        StreamName="stock-market-stream", Records=[{"Data": b"x", "PartitionKey": "AAPL"}]
    )


def query(connection: Connection) -> Any:
    """Ask DynamoDB."""
    return connection.client("dynamodb").query(TableName="stock-market-data", KeyConditionExpression="a = b")


def put_object(connection: Connection) -> Any:
    """Ask S3."""
    return connection.client("s3").put_object(Bucket="my-bucket", Key="a/b", Body=b"x")


def head_bucket(connection: Connection) -> Any:
    """Ask S3 for what is answered without a body."""
    return connection.client("s3").head_bucket(Bucket="my-bucket")


def create_stack(connection: Connection) -> Any:
    """Ask CloudFormation."""
    return connection.client("cloudformation").create_stack(StackName="stockctl", TemplateBody="x")


def told(ask: Callable[[Connection], Any], answer: Answer) -> AwsError:
    """Return the error for a request that gets this response."""
    with loopback(lambda _: answer) as server:
        connection = Connection(endpoint_url=server.url, attempts=1)
        with pytest.raises(AwsError) as raised, translate_errors():
            ask(connection)
    assert raised.value.exit_code == 1
    assert "\n" not in raised.value.message
    assert isinstance(raised.value.__cause__, ClientError)
    return raised.value


def query_error(code: str, message: str, status: int = 400) -> Answer:
    """Return an error as CloudFormation answers it."""
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    return Answer(status, body.encode(), {"Content-Type": "text/xml"})


def test_access_denied_names_action_resource_and_reason():
    """The message of AWS is parsed: caller, action, resource and reason."""
    error = told(
        put_records,
        json_error(
            "AccessDeniedException",
            "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: kinesis:PutRecords on "
            "resource: arn:aws:kinesis:eu-west-1:123456789012:stream/stock-market-stream because no "
            "identity-based policy allows the kinesis:PutRecords action",
        ),
    )
    assert error.message == (
        "AWS denies kinesis:PutRecords on arn:aws:kinesis:eu-west-1:123456789012:stream/stock-market-stream "
        "to arn:aws:iam::123456789012:user/ann: no identity-based policy allows the kinesis:PutRecords "
        "action."
    )
    assert "Allow kinesis:PutRecords on it" in (error.hint or "")


@pytest.mark.parametrize(
    ("ask", "answer", "action", "resource"),
    [
        (put_object, s3_error("AccessDenied", "Access Denied", 403), "s3:PutObject", "my-bucket"),
        (head_bucket, Answer(403, b""), "s3:ListBucket", "my-bucket"),
        (query, json_error("AccessDeniedException", "no"), "dynamodb:Query", "stock-market-data"),
        (create_stack, query_error("AccessDenied", "no", 403), "cloudformation:CreateStack", "stockctl"),
    ],
)
def test_access_denied_without_words_still_names_action_and_resource(
    ask: Callable[[Connection], Any], answer: Answer, action: str, resource: str
):
    """Without details from AWS, the permission follows from the request, with its name in IAM."""
    error = told(ask, answer)
    assert error.message == f"AWS denies {action} on {resource}."
    assert ("another account" in (error.hint or "")) == action.startswith("s3:")


@pytest.mark.parametrize(
    ("ask", "answer", "message", "hint"),
    [
        (
            query,
            json_error("ExpiredTokenException", "The security token included in the request is expired"),
            "The AWS credentials have expired.",
            "aws sso login",
        ),
        (
            put_object,
            s3_error("ExpiredToken", "The provided token has expired.", 400),
            "The AWS credentials have expired.",
            "run the command again",
        ),
        (
            query,
            json_error("UnrecognizedClientException", "The security token in the request is invalid."),
            "AWS does not accept the credentials: The security token in the request is invalid.",
            "access key",
        ),
        (
            put_object,
            s3_error("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist.", 403),
            "AWS does not accept the credentials: The AWS Access Key Id",
            "aws.profile",
        ),
        (
            put_object,
            s3_error("SignatureDoesNotMatch", "The request signature we calculated does not match", 403),
            "AWS rejects the signature of s3:PutObject (SignatureDoesNotMatch).",
            "secret access key",
        ),
        (
            query,
            json_error("InvalidSignatureException", "Signature expired: 20260105T150000Z is earlier than"),
            "AWS rejects the time in the signature of dynamodb:Query: Signature expired",
            "clock",
        ),
        (
            put_object,
            s3_error("RequestTimeTooSkewed", "The difference is too large.", 403),
            "AWS rejects the time in the signature of s3:PutObject",
            "clock",
        ),
        (
            query,
            json_error("ResourceNotFoundException", "Requested resource not found"),
            "stock-market-data does not exist in region eu-west-1 (dynamodb:Query: ResourceNotFound",
            "aws.region",
        ),
        (
            put_object,
            s3_error("NoSuchBucket", "The specified bucket does not exist", 404),
            "my-bucket does not exist in region eu-west-1 (s3:PutObject: NoSuchBucket).",
            "stockctl provision",
        ),
        (
            head_bucket,
            Answer(404, b""),
            "my-bucket does not exist in region eu-west-1 (s3:ListBucket: 404).",
            "stockctl provision",
        ),
        (
            put_records,
            json_error("ProvisionedThroughputExceededException", "Rate exceeded for shard"),
            "AWS throttles kinesis:PutRecords on stock-market-stream (ProvisionedThroughputExceeded",
            "again",
        ),
        (
            put_object,
            s3_error("SlowDown", "Please reduce your request rate.", 503),
            "AWS throttles s3:PutObject on my-bucket (SlowDown)",
            "again",
        ),
        (
            put_records,
            json_error("LimitExceededException", "Account limit of 20 shards."),
            "A quota of the AWS account is exceeded by kinesis:PutRecords on stock-market-stream: Accou",
            "Service Quotas",
        ),
        (
            put_object,
            s3_error("PermanentRedirect", "Use that endpoint.", 301, **{"x-amz-bucket-region": "us-west-2"}),
            "my-bucket is in region us-west-2, not in eu-west-1.",
            'aws.region = "us-west-2"',
        ),
        (
            create_stack,
            query_error("OptInRequired", "You are not subscribed to this service", 403),
            "The account cannot use cloudformation in region eu-west-1: You are not subscribed",
            "Enable the region",
        ),
        (
            query,
            json_error("InternalServerError", "Oops", 500),
            "AWS failed at dynamodb:Query on stock-market-data (InternalServerError: Oops)",
            "again",
        ),
        (
            head_bucket,
            Answer(503, b""),
            "AWS failed at s3:ListBucket on my-bucket (503: Service Unavailable)",
            "again",
        ),
    ],
)  # fmt: skip
def test_what_aws_answers_is_told_in_a_sentence(
    ask: Callable[[Connection], Any], answer: Answer, message: str, hint: str
):
    """What happened, with the names that matter, and what to do next."""
    error = told(ask, answer)
    assert error.message.startswith(message)
    assert hint in (error.hint or "")


def test_what_is_unknown_is_told_in_one_line():
    """Service, operation, code and message, whatever they hold."""
    error = told(query, json_error("ValidationException", "Invalid\n  KeyConditionExpression:\tSyntax error"))
    assert error.message == (
        "AWS rejected dynamodb Query with ValidationException: Invalid KeyConditionExpression: Syntax error"
    )
    assert error.hint is None


def test_an_answer_that_is_no_aws_is_told_in_one_line():
    """Something else listens at the endpoint."""
    error = told(query, Answer(418, b"<html>\nI am a teapot</html>", {"Content-Type": "text/html"}))
    assert error.message.startswith("AWS rejected dynamodb Query with ")


def ask_of(**arguments: Any) -> AwsError:
    """Return the error of a request that cannot be sent."""
    with pytest.raises(AwsError) as raised, translate_errors():
        query(Connection(**arguments, attempts=1))
    assert "\n" not in raised.value.message
    assert isinstance(raised.value.__cause__, BotoCoreError)
    return raised.value


def test_no_credentials(monkeypatch: pytest.MonkeyPatch):
    """The hint names where they can come from."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    error = ask_of(region="eu-west-1")
    assert error.message == "No AWS credentials were found."
    for way in ("aws configure", "aws sso login", "aws.profile", "AWS_ACCESS_KEY_ID"):
        assert way in (error.hint or "")


def test_half_of_the_credentials(monkeypatch: pytest.MonkeyPatch):
    """What is missing is named."""
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    error = ask_of(region="eu-west-1")
    assert error.message.startswith("The AWS credentials are incomplete: ")
    assert "AWS_SECRET_ACCESS_KEY" in error.message


def test_no_such_profile():
    """The profile is named, and how to see those that there are."""
    error = ask_of(profile="trading")
    assert error.message == "The AWS profile 'trading' does not exist."
    assert "aws configure list-profiles" in (error.hint or "")


def test_a_broken_configuration_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The file is named."""
    (tmp_path / "config").write_text("no section\n= nonsense")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    error = ask_of()
    assert error.message.startswith(
        f"The AWS configuration cannot be used: Unable to parse config file: {tmp_path}"
    )


def test_no_region(monkeypatch: pytest.MonkeyPatch):
    """The hint names where to set one."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    error = ask_of()
    assert error.message == "No AWS region is set."
    assert "aws.region" in (error.hint or "")


def test_a_region_that_is_none():
    """It is named."""
    assert ask_of(region="eu west 1").message == "'eu west 1' is not an AWS region."


def test_an_endpoint_that_is_no_url():
    """It is rejected before any request."""
    with pytest.raises(AwsError, match=r"aws\.endpoint_url 'localhost:4566' is not a URL") as raised:
        Connection(endpoint_url="localhost:4566")
    assert "http://127.0.0.1:4566" in (raised.value.hint or "")


def test_nobody_answers_at_the_endpoint():
    """The endpoint is named without its path, and the setting behind it."""
    with nobody() as url:
        error = ask_of(region="eu-west-1", endpoint_url=url)
    assert error.message == f"The endpoint {url} cannot be reached."
    assert "aws.endpoint_url" in (error.hint or "")


def test_a_certificate_that_nobody_knows(tmp_path: Path):
    """The error names the endpoint, and the setting to trust it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with loopback(lambda _: Answer(200, b"{}"), context) as server:
        error = ask_of(region="eu-west-1", endpoint_url=server.url)
    assert error.message.startswith(f"The certificate of {server.url} is not trusted: ")
    assert "AWS_CA_BUNDLE" in (error.hint or "")


def test_a_connection_that_breaks_off():
    """A server that hangs up in the middle."""

    def hang_up(_: object) -> Answer:
        raise ConnectionAbortedError

    with loopback(hang_up) as server:
        error = ask_of(region="eu-west-1", endpoint_url=server.url)
    assert error.message.startswith("The connection to AWS broke: ")


@pytest.mark.parametrize(
    ("fault", "message", "hint"),
    [
        (
            botocore_faults.EndpointConnectionError(endpoint_url="https://kinesis.eu-wst-1.amazonaws.com/"),
            "The endpoint https://kinesis.eu-wst-1.amazonaws.com cannot be reached.",
            "aws.region",
        ),
        (
            botocore_faults.ConnectTimeoutError(endpoint_url="https://s3.amazonaws.com/b?X-Amz-Signature=secret"),
            "https://s3.amazonaws.com did not answer in time, even after several attempts.",
            "network",
        ),
        (
            botocore_faults.ReadTimeoutError(endpoint_url="https://user:password@aws.test/x"),
            "https://aws.test did not answer in time, even after several attempts.",
            "network",
        ),
        (
            botocore_faults.ProxyConnectionError(proxy_url="http://proxy.test:3128", error="refused"),
            "The proxy cannot be reached: ",
            "HTTPS_PROXY",
        ),
        (
            botocore_faults.UnauthorizedSSOTokenError(),
            "The AWS sign-in has expired: ",
            "aws sso login",
        ),
        (
            botocore_faults.TokenRetrievalError(provider="sso", error_msg="Token has expired"),
            "The AWS sign-in has expired: Error when retrieving token from sso: Token has expired",
            "aws sso login",
        ),
        (
            botocore_faults.CredentialRetrievalError(provider="custom-process", error_msg="exit 1"),
            "The AWS credentials cannot be fetched: Error when retrieving credentials from custom-process: ",
            "aws configure",
        ),
        (
            botocore_faults.ParamValidationError(report='Invalid bucket name "A B"'),
            'The request could not be sent to AWS: Parameter validation failed: Invalid bucket name "A B"',
            None,
        ),
    ],
)  # fmt: skip
def test_what_keeps_aws_from_being_asked(fault: BotoCoreError, message: str, hint: str | None):
    """One line, without signature or password, and a way out where there is one."""
    with pytest.raises(AwsError) as raised, translate_errors():
        raise fault
    assert raised.value.message.startswith(message)
    assert "\n" not in raised.value.message
    assert "secret" not in raised.value.message
    assert "password" not in raised.value.message
    assert (hint is None and raised.value.hint is None) or hint in (raised.value.hint or "")


def test_what_is_no_fault_of_aws_is_left_alone():
    """A bug stays a bug."""
    with pytest.raises(ZeroDivisionError), translate_errors():
        raise ZeroDivisionError

"""Explains the errors of botocore and AWS to the user: what happened, why, and what to do next.

Only the command line uses this module; it is not part of the Lambda functions' code.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError

from stockctl.backends.aws.errors import error_code
from stockctl.errors import AwsError

_NOTE = "stockctl"
_RESOURCE_PARAMETERS = (
    "Bucket", "TableName", "StreamName", "StreamARN", "TopicArn", "SubscriptionArn", "FunctionName",
    "StackName", "WorkGroup", "DatabaseName", "logGroupName", "RoleName", "UUID",
)  # fmt: skip
# Operations of S3 whose permission has another name.
_S3_PERMISSIONS = {
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "DeleteObjects": "DeleteObject",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}
_RETRY = "Wait a moment, then run the command again."
_SIGN_IN = (
    "Run 'aws configure' or 'aws sso login', name a profile with aws.profile or AWS_PROFILE, or export "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
)
_SIGN_IN_AGAIN = "Sign in again ('aws sso login', or 'aws login'), then run the command again."
_CHECK_NETWORK = "Check the network, then run the command again."


class ServiceError(NamedTuple):
    """An error response of an AWS service; an unknown field is empty."""

    service: str
    """As IAM names it."""
    operation: str
    code: str
    message: str
    """On one line."""
    resource: str
    """The name or ARN that the call was about."""
    region: str
    bucket_region: str
    """The region of the bucket, from the response of S3."""

    @property
    def action(self) -> str:
        """The permission that the call needs, as IAM names it."""
        is_s3 = self.service == "s3"
        permission = _S3_PERMISSIONS.get(self.operation, self.operation) if is_s3 else self.operation
        return f"{self.service}:{permission}" if self.service else permission


class _Row(NamedTuple):
    """A message and a hint for some error codes, as format strings."""

    codes: str
    """Separated by spaces."""
    message: str
    hint: str
    pattern: str = ""
    """Regular expression that must match the service's own message."""


_SERVICE_ERRORS: Sequence[_Row] = (
    _Row(
        "ExpiredToken ExpiredTokenException TokenRefreshRequired RequestExpired",
        "The AWS credentials have expired.",
        "Sign in again ('aws sso login', or fetch new temporary credentials), then run the command again.",
    ),
    _Row(
        "UnrecognizedClientException InvalidClientTokenId InvalidAccessKeyId InvalidToken AuthFailure "
        "MissingAuthenticationToken MissingAuthenticationTokenException",
        "AWS does not accept the credentials: {message} ({code})",
        "Check the access key and the session token, or set aws.profile to another profile. AWS gives the "
        "same answer for a region that is not enabled for the account.",
    ),
    _Row(
        "SignatureDoesNotMatch InvalidSignatureException IncompleteSignature",
        "AWS rejects the time in the signature of {action}: {message}",
        "Set this computer's clock right, then run the command again.",
        pattern=r"expired|not yet current",
    ),
    _Row(
        "RequestTimeTooSkewed",
        "AWS rejects the time in the signature of {action}: {message}",
        "Set this computer's clock right, then run the command again.",
    ),
    _Row(
        "SignatureDoesNotMatch InvalidSignatureException IncompleteSignature",
        "AWS rejects the signature of {action} ({code}).",
        "The secret access key does not belong to the access key: check the credentials of this profile.",
    ),
    _Row(
        "AccessDenied AccessDeniedException AuthorizationError AuthorizationErrorException Forbidden "
        "UnauthorizedOperation NotAuthorized KMSAccessDeniedException 403",
        "AWS denies {denied_action} on {denied_resource}{to_caller}{reason}.",
        "Allow {denied_action} on it, or set aws.profile to another profile{other_owner}.",
    ),
    _Row(
        "Throttling ThrottlingException ThrottledException RequestThrottled SlowDown "
        "RequestThrottledException RequestLimitExceeded TooManyRequestsException PriorRequestNotComplete "
        "ProvisionedThroughputExceededException KMSThrottlingException",
        "AWS throttles {action}{on_resource} ({code}), even after several attempts.",
        _RETRY,
    ),
    _Row(
        "LimitExceededException LimitExceeded ServiceQuotaExceededException TooManyBuckets "
        "ResourceLimitExceeded ResourceNumberLimitExceededException CodeStorageExceededException "
        "SubscriptionLimitExceeded TopicLimitExceeded FilterPolicyLimitExceeded",
        "A quota of the AWS account is exceeded by {action}{on_resource}: {message}",
        "Delete resources that you no longer need, or request a higher quota in the Service Quotas console.",
    ),
    _Row(
        "ResourceNotFoundException ResourceNotFound NoSuchBucket NoSuchKey NotFound NotFoundException "
        "EntityNotFoundException 404",
        "{missing_resource} does not exist{in_region} ({action}: {code}).",
        "Run 'stockctl provision' to create what is missing; if it is in another region, set aws.region.",
    ),
    _Row(
        "PermanentRedirect AuthorizationHeaderMalformed IllegalLocationConstraintException 301",
        "{bucket} is in {bucket_region}, not in {used_region}.",
        "Set aws.region{region_value}.",
    ),
    _Row(
        "OptInRequired SubscriptionRequiredException",
        "The account cannot use {service} in region {region}: {message}",
        "Enable the region for the account, or set aws.region to another one.",
    ),
    _Row(
        "InternalServerError InternalFailure InternalError ServiceUnavailable RequestTimeout "
        "ServiceUnavailableException 500 502 503 504",
        "AWS failed at {action}{on_resource} ({code}: {message}), even after several attempts.",
        _RETRY,
    ),
)
_DENIAL = re.compile(
    r"(?P<caller>\S+) is not authorized to perform: (?P<action>[\w-]+:\w+)"
    r"(?: on (?:the )?resource: (?P<resource>\S+))?(?: because (?P<reason>.+))?"
)

# By class name: some classes are younger than the oldest botocore that is supported.
_CONNECTION_ERRORS: Sequence[_Row] = (
    _Row("NoCredentialsError NoAuthTokenError", "No AWS credentials were found.", _SIGN_IN),
    _Row("PartialCredentialsError", "The AWS credentials are incomplete: {detail}.", _SIGN_IN),
    _Row(
        "CredentialRetrievalError MetadataRetrievalError RefreshWithMFAUnsupportedError",
        "The AWS credentials cannot be fetched: {detail}.",
        _SIGN_IN,
    ),
    _Row("SSOError LoginError TokenRetrievalError", "The AWS sign-in has expired: {detail}.", _SIGN_IN_AGAIN),
    _Row(
        "ProfileNotFound",
        "The AWS profile {profile!r} does not exist.",
        "Run 'aws configure list-profiles' to see the profiles; aws.profile and AWS_PROFILE select one.",
    ),
    _Row(
        "ConfigNotFound ConfigParseError InvalidConfigError",
        "The AWS configuration cannot be used: {detail}.",
        "Correct the files that AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name, or those in ~/.aws.",
    ),
    _Row(
        "NoRegionError",
        "No AWS region is set.",
        'Set aws.region in the configuration (such as "eu-west-1"), or AWS_DEFAULT_REGION.',
    ),
    _Row(
        "InvalidRegionError", "{region_name!r} is not an AWS region.", 'Set aws.region, such as "eu-west-1".'
    ),
    _Row(
        "SSLError",
        "The certificate of {endpoint} is not trusted: {cause}.",
        "Behind a proxy that decrypts TLS, set AWS_CA_BUNDLE to its certificate.",
    ),
    _Row(
        "ProxyConnectionError",
        "The proxy cannot be reached: {detail}.",
        "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY.",
    ),
    _Row(
        "ConnectTimeoutError ReadTimeoutError",
        "{endpoint} did not answer in time, even after several attempts.",
        _CHECK_NETWORK,
    ),
    _Row("EndpointConnectionError", "The endpoint {endpoint} cannot be reached.", "{endpoint_hint}"),
    _Row("HTTPClientError", "The connection to AWS broke: {detail}.", _CHECK_NETWORK),
    _Row(
        "EndpointProviderError UnknownEndpointError",
        "The endpoint cannot be used: {detail}.",
        "Set aws.endpoint_url to a URL such as http://127.0.0.1:4566, or remove it to use AWS itself.",
    ),
)
_CONNECTION_ROWS = {name: row for row in _CONNECTION_ERRORS for name in row.codes.split()}
_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise the exceptions of botocore as ``AwsError``; use it as a context manager or a decorator.

    Raises:
        AwsError: AWS rejected the request, could not be reached, or the request could not be sent.
    """
    try:
        yield
    except ClientError as error:
        raise to_aws_error(service_error(error)) from error
    except BotoCoreError as error:
        raise _connection_error(error) from error


def annotate(client: BaseClient) -> None:
    """Add service, region and resource to every error response that ``client`` receives."""
    model = client.meta.service_model
    service = {"monitoring": "cloudwatch"}.get(model.signing_name, model.signing_name)
    region = client.meta.region_name or ""

    def remember_resource(params: Mapping[str, Any], context: dict[str, Any], **_: object) -> None:
        names = (str(params[name]) for name in _RESOURCE_PARAMETERS if params.get(name))
        context[_NOTE] = next(names, "")

    def add_note(parsed: dict[str, Any], context: Mapping[str, Any], **_: object) -> None:
        if "Error" in parsed:
            note = {"service": service, "region": region, "resource": context.get(_NOTE, "")}
            parsed["Error"][_NOTE] = note

    client.meta.events.register("before-parameter-build", remember_resource)
    client.meta.events.register("after-call", add_note)


def service_error(error: ClientError) -> ServiceError:
    """Return the details of an error response."""
    response: Mapping[str, Any] = error.response
    details: Mapping[str, Any] = response.get("Error", {})
    note: Mapping[str, str] = details.get(_NOTE, {})
    headers: Mapping[str, str] = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return ServiceError(
        note.get("service", ""),
        str(error.operation_name),
        error_code(error),
        " ".join(str(details.get("Message") or "no message").split()),
        note.get("resource", ""),
        note.get("region", ""),
        headers.get("x-amz-bucket-region", ""),
    )


def to_aws_error(error: ServiceError) -> AwsError:
    """Return an error response as an error for the user."""
    for row in _SERVICE_ERRORS:
        if error.code in row.codes.split() and re.search(row.pattern, error.message):
            return _fill_in(row, _service_fields(error))
    name = f"{error.service} {error.operation}".strip()
    return AwsError(f"AWS rejected {name} with {error.code or 'no code'}: {error.message}")


def _service_fields(error: ServiceError) -> dict[str, str]:
    denial = _DENIAL.search(error.message)
    denied: Mapping[str, str | None] = denial.groupdict() if denial else {}
    resource = denied.get("resource") or error.resource or "a resource that it does not name"
    bucket_region = error.bucket_region
    return {
        **error._asdict(),
        "action": error.action,
        "on_resource": f" on {error.resource}" if error.resource else "",
        "missing_resource": error.resource or error.message,
        "in_region": f" in region {error.region}" if error.region else "",
        "service": error.service or "the service",
        "denied_action": denied.get("action") or error.action,
        "denied_resource": resource.rstrip(".,"),
        "to_caller": f" to {denied['caller']}" if denied.get("caller") else "",
        "reason": f": {(denied.get('reason') or '').rstrip('.')}" if denied.get("reason") else "",
        "other_owner": "; the bucket may also belong to another account" if error.service == "s3" else "",
        "bucket": error.resource or "The bucket",
        "bucket_region": f"region {bucket_region}" if bucket_region else "another region",
        "used_region": error.region or "the requested one",
        "region_value": f' = "{bucket_region}"' if bucket_region else " to the region of the bucket",
    }


def _connection_error(error: BotoCoreError) -> AwsError:
    for kind in type(error).__mro__:
        if (row := _CONNECTION_ROWS.get(kind.__name__)) is not None:
            return _fill_in(row, _connection_fields(error))
    return AwsError(f"The request could not be sent to AWS: {_one_line(error)} ({type(error).__name__})")


def _connection_fields(error: BotoCoreError) -> dict[str, object]:
    url = str(error.kwargs.get("endpoint_url", "AWS"))
    is_aws = (urlsplit(url).hostname or url).endswith(_AWS_DOMAINS)
    return {
        "detail": _one_line(error),
        "cause": _one_line(error.kwargs.get("error", error)),
        "profile": error.kwargs.get("profile"),
        "region_name": error.kwargs.get("region_name"),
        "endpoint": _origin(url),
        "endpoint_hint": "Check the network, and that aws.region is the name of a region (such as eu-west-1)."
        if is_aws
        else "Check aws.endpoint_url (or AWS_ENDPOINT_URL), and that a server listens there.",
    }


def _fill_in(row: _Row, fields: Mapping[str, object]) -> AwsError:
    return AwsError(row.message.format_map(fields), row.hint.format_map(fields))


def _origin(url: str) -> str:
    """Return a URL without path and query, which may hold a signature, and without a password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else url


def _one_line(text: object) -> str:
    return " ".join(str(text).split()).rstrip(".")

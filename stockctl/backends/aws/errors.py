"""Errors of botocore and AWS services: classification, and sentences for users."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError

from stockctl.errors import AwsError

_NOTE = "stockctl"
_RESOURCES = (
    "Bucket", "TableName", "StreamName", "StreamARN", "TopicArn", "SubscriptionArn", "FunctionName",
    "StackName", "WorkGroup", "DatabaseName", "logGroupName", "RoleName", "UUID",
)  # fmt: skip
# S3 calls whose permission has another name.
_S3_ACTIONS = {
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


class ServiceError(NamedTuple):
    """An error that AWS answered with; a text that is not known is empty."""

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
    """Where S3 says that the bucket is."""

    @property
    def action(self) -> str:
        """The permission that the call needs, as IAM names it."""
        operation = (
            _S3_ACTIONS.get(self.operation, self.operation) if self.service == "s3" else self.operation
        )
        return f"{self.service}:{operation}" if self.service else operation

    @property
    def on_resource(self) -> str:
        """``on`` and the resource, or nothing."""
        return f" on {self.resource}" if self.resource else ""


def annotate(client: BaseClient) -> None:
    """Have ``client`` note service, region and resource in each error that AWS answers with."""
    model = client.meta.service_model
    service = {"monitoring": "cloudwatch"}.get(model.signing_name, model.signing_name)
    region = client.meta.region_name or ""

    def remember(params: Mapping[str, Any], context: dict[str, Any], **_: object) -> None:
        context[_NOTE] = next((str(params[name]) for name in _RESOURCES if params.get(name)), "")

    def note(parsed: dict[str, Any], context: Mapping[str, Any], **_: object) -> None:
        if "Error" in parsed:
            known = {"service": service, "region": region, "resource": context.get(_NOTE, "")}
            parsed["Error"][_NOTE] = known

    client.meta.events.register("before-parameter-build", remember)
    client.meta.events.register("after-call", note)


def service_error(error: ClientError) -> ServiceError:
    """Return what is known of ``error``."""
    response: Mapping[str, Any] = error.response
    fields: Mapping[str, Any] = response.get("Error", {})
    known: Mapping[str, str] = fields.get(_NOTE, {})
    headers: Mapping[str, str] = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return ServiceError(
        known.get("service", ""),
        str(error.operation_name),
        error_code(error),
        " ".join(str(fields.get("Message") or "no message").split()),
        known.get("resource", ""),
        known.get("region", ""),
        headers.get("x-amz-bucket-region", ""),
    )


def error_code(error: ClientError) -> str:
    """Return the code of ``error``, such as ``ThrottlingException``."""
    return str(error.response.get("Error", {}).get("Code", ""))


_AUTHORISATION = re.compile(
    r"(?P<who>\S+) is not authorized to perform: (?P<action>[\w-]+:\w+)"
    r"(?: on (?:the )?resource: (?P<resource>\S+))?(?: because (?P<reason>.+))?"
)
_AGAIN = "Wait a moment and run the command again."


def to_aws_error(refused: ServiceError) -> AwsError:
    """Return ``service_error`` as what happened, why, and what to do next."""
    sentence = _SERVICE_ERRORS.get(refused.code)
    if sentence is not None:
        return sentence(refused)
    name = f"{refused.service} {refused.operation}".strip()
    return AwsError(f"AWS refused {name} with {refused.code or 'no code'}: {refused.message}")


def _expired(_: ServiceError) -> AwsError:
    return AwsError(
        "The AWS credentials have expired.",
        "Sign in again ('aws sso login', or fetch new temporary credentials), then run the command again.",
    )


def _unknown_credentials(refused: ServiceError) -> AwsError:
    return AwsError(
        f"AWS does not accept the credentials: {refused.message} ({refused.code})",
        "Check the access key and the session token, or name another profile with aws.profile; a region "
        "that the account has not enabled answers like this too.",
    )


def _signature(refused: ServiceError) -> AwsError:
    if refused.code == "RequestTimeTooSkewed" or re.search(r"expired|not yet current", refused.message):
        return AwsError(
            f"AWS refused the time in the signature of {refused.action}: {refused.message}",
            "Set this machine's clock right, then run the command again.",
        )
    return AwsError(
        f"AWS refused the signature of {refused.action} ({refused.code}).",
        "The secret access key does not belong to the access key: check the credentials of this profile.",
    )


def _denied(refused: ServiceError) -> AwsError:
    found = _AUTHORISATION.search(refused.message)
    named = found.groupdict() if found else {}
    action = named.get("action") or refused.action
    resource = (named.get("resource") or refused.resource or "a resource that it does not name").rstrip(".,")
    who = f" to {named['who']}" if named.get("who") else ""
    reason = f": {named['reason'].rstrip('.')}" if named.get("reason") else ""
    other = "; a bucket may also belong to another account" if refused.service == "s3" else ""
    return AwsError(
        f"AWS denies {action} on {resource}{who}{reason}.",
        f"Have {action} on it allowed, or name another profile with aws.profile{other}.",
    )


def _throttled(refused: ServiceError) -> AwsError:
    return AwsError(
        f"AWS throttles {refused.action}{refused.on_resource} ({refused.code}), after several tries as well.",
        _AGAIN,
    )


def _quota(refused: ServiceError) -> AwsError:
    return AwsError(
        f"A quota of the AWS account is exceeded by {refused.action}{refused.on_resource}: {refused.message}",
        "Remove what is no longer needed, or have the quota raised in the Service Quotas console.",
    )


def _absent(refused: ServiceError) -> AwsError:
    where = f" in region {refused.region}" if refused.region else ""
    return AwsError(
        f"{refused.resource or refused.message} does not exist{where} ({refused.action}: {refused.code}).",
        "'stockctl provision' makes what is missing; check aws.region when it was made elsewhere.",
    )


def _other_region(refused: ServiceError) -> AwsError:
    actual = refused.bucket_region
    return AwsError(
        f"{refused.resource or 'The bucket'} is in {'region ' + actual if actual else 'another region'}, "
        f"not in {refused.region or 'the one that was asked'}.",
        f'Set aws.region = "{actual}".' if actual else "Set aws.region to the region of the bucket.",
    )


def _region_disabled(refused: ServiceError) -> AwsError:
    return AwsError(
        f"The account cannot use {refused.service or 'the service'} in region {refused.region or 'named'}: "
        f"{refused.message}",
        "Enable the region for the account, or set another aws.region.",
    )


def _failed(refused: ServiceError) -> AwsError:
    return AwsError(
        f"AWS failed at {refused.action}{refused.on_resource} ({refused.code}: {refused.message}), after "
        "several tries as well.",
        _AGAIN,
    )


_CODES: Mapping[Callable[[ServiceError], AwsError], str] = {
    _expired: "ExpiredToken ExpiredTokenException TokenRefreshRequired RequestExpired",
    _unknown_credentials: "UnrecognizedClientException InvalidClientTokenId InvalidAccessKeyId InvalidToken "
    "AuthFailure MissingAuthenticationToken MissingAuthenticationTokenException",
    _signature: "SignatureDoesNotMatch InvalidSignatureException IncompleteSignature RequestTimeTooSkewed",
    _denied: "AccessDenied AccessDeniedException AuthorizationError AuthorizationErrorException Forbidden "
    "UnauthorizedOperation NotAuthorized KMSAccessDeniedException 403",
    _throttled: "Throttling ThrottlingException ThrottledException RequestThrottled SlowDown "
    "RequestThrottledException RequestLimitExceeded TooManyRequestsException PriorRequestNotComplete "
    "ProvisionedThroughputExceededException KMSThrottlingException",
    _quota: "LimitExceededException LimitExceeded ServiceQuotaExceededException TooManyBuckets "
    "ResourceLimitExceeded ResourceNumberLimitExceededException CodeStorageExceededException "
    "SubscriptionLimitExceeded TopicLimitExceeded FilterPolicyLimitExceeded",
    _absent: "ResourceNotFoundException ResourceNotFound NoSuchBucket NoSuchKey NotFound NotFoundException "
    "EntityNotFoundException 404",
    _other_region: "PermanentRedirect AuthorizationHeaderMalformed IllegalLocationConstraintException 301",
    _region_disabled: "OptInRequired SubscriptionRequiredException",
    _failed: "InternalServerError InternalFailure InternalError ServiceUnavailable RequestTimeout "
    "ServiceUnavailableException 500 502 503 504",
}
_SERVICE_ERRORS = {code: sentence for sentence, codes in _CODES.items() for code in codes.split()}


_SIGN_IN = (
    "Run 'aws configure' or 'aws sso login', name a profile with aws.profile or AWS_PROFILE, or export "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
)
_SIGN_IN_AGAIN = "Sign in again ('aws sso login', or 'aws login'), then run the command again."
_NETWORK = "Check the network, then run the command again."


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise what botocore raises within as ``AwsError``; it serves as a decorator too.

    Raises:
        AwsError: AWS refused, could not be reached, or was not even asked.
    """
    try:
        yield
    except ClientError as error:
        raise to_aws_error(service_error(error)) from error
    except BotoCoreError as error:
        raise _connection_error(error) from error


def _connection_error(error: BotoCoreError) -> AwsError:
    # By name: some of these are younger than the oldest botocore that this runs with.
    for kind in type(error).__mro__:
        if (sentence := _SENTENCES.get(kind.__name__)) is not None:
            return sentence(error)
    return AwsError(f"AWS could not be asked: {_line(error)} ({type(error).__name__})")


def _no_credentials(_: BotoCoreError) -> AwsError:
    return AwsError("No AWS credentials were found.", _SIGN_IN)


def _incomplete_credentials(error: BotoCoreError) -> AwsError:
    return AwsError(f"The AWS credentials are incomplete: {_line(error)}.", _SIGN_IN)


def _unusable_credentials(error: BotoCoreError) -> AwsError:
    return AwsError(f"The AWS credentials cannot be fetched: {_line(error)}.", _SIGN_IN)


def _expired_session(error: BotoCoreError) -> AwsError:
    return AwsError(f"The AWS sign-in has expired: {_line(error)}.", _SIGN_IN_AGAIN)


def _no_profile(error: BotoCoreError) -> AwsError:
    return AwsError(
        f"The AWS profile {error.kwargs.get('profile')!r} does not exist.",
        "'aws configure list-profiles' shows those that do; aws.profile and AWS_PROFILE name one.",
    )


def _bad_configuration(error: BotoCoreError) -> AwsError:
    return AwsError(
        f"The AWS configuration cannot be used: {_line(error)}.",
        "Correct the files that AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name, or those in ~/.aws.",
    )


def _no_region(_: BotoCoreError) -> AwsError:
    return AwsError(
        "No AWS region is set.",
        'Set aws.region in the configuration (such as "eu-west-1"), or AWS_DEFAULT_REGION.',
    )


def _bad_region(error: BotoCoreError) -> AwsError:
    return AwsError(
        f"{error.kwargs.get('region_name')!r} is not an AWS region.", 'Set aws.region, such as "eu-west-1".'
    )


def _unreachable(error: BotoCoreError) -> AwsError:
    url = str(error.kwargs.get("endpoint_url", ""))
    host = urlsplit(url).hostname or url
    if host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")):
        hint = "Check the network, and that aws.region is the name of a region (such as eu-west-1)."
    else:
        hint = "Check that aws.endpoint_url (or AWS_ENDPOINT_URL) is right and that something answers there."
    return AwsError(f"The endpoint {_origin(url)} cannot be reached.", hint)


def _too_slow(error: BotoCoreError) -> AwsError:
    url = str(error.kwargs.get("endpoint_url", "AWS"))
    return AwsError(f"{_origin(url)} did not answer in time, after several tries as well.", _NETWORK)


def _broken_off(error: BotoCoreError) -> AwsError:
    return AwsError(f"The connection to AWS broke: {_line(error)}.", _NETWORK)


def _no_trust(error: BotoCoreError) -> AwsError:
    return AwsError(
        f"The certificate of {_origin(str(error.kwargs.get('endpoint_url', 'AWS')))} is not trusted: "
        f"{_line(error.kwargs.get('error', error))}.",
        "Behind a proxy that opens TLS, name its certificate with AWS_CA_BUNDLE.",
    )


def _no_proxy(error: BotoCoreError) -> AwsError:
    return AwsError(
        f"The proxy cannot be reached: {_line(error)}.", "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY."
    )


def _bad_endpoint(error: BotoCoreError) -> AwsError:
    return AwsError(
        f"The endpoint cannot be used: {_line(error)}.",
        "Set aws.endpoint_url to a URL such as http://127.0.0.1:4566, or take it out to use AWS itself.",
    )


def _origin(url: str) -> str:
    """Return ``url`` without its path and query, which may hold a signature."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else url


def _line(text: object) -> str:
    return " ".join(str(text).split()).rstrip(".")


_SENTENCES: Mapping[str, Callable[[BotoCoreError], AwsError]] = {
    "NoCredentialsError": _no_credentials,
    "NoAuthTokenError": _no_credentials,
    "PartialCredentialsError": _incomplete_credentials,
    "SSOError": _expired_session,
    "LoginError": _expired_session,
    "TokenRetrievalError": _expired_session,
    "CredentialRetrievalError": _unusable_credentials,
    "MetadataRetrievalError": _unusable_credentials,
    "RefreshWithMFAUnsupportedError": _unusable_credentials,
    "ProfileNotFound": _no_profile,
    "ConfigNotFound": _bad_configuration,
    "ConfigParseError": _bad_configuration,
    "InvalidConfigError": _bad_configuration,
    "NoRegionError": _no_region,
    "InvalidRegionError": _bad_region,
    "SSLError": _no_trust,
    "ProxyConnectionError": _no_proxy,
    "ConnectTimeoutError": _too_slow,
    "ReadTimeoutError": _too_slow,
    "EndpointConnectionError": _unreachable,
    "HTTPClientError": _broken_off,
    "EndpointProviderError": _bad_endpoint,
    "UnknownEndpointError": _bad_endpoint,
}


_THROTTLED = re.compile(r"Throttl|SlowDown|TooManyRequests|RequestLimitExceeded|ProvisionedThroughput|^Limit")
_BUSY = {
    "RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete", "ServiceUnavailable",
    "ServiceUnavailableException", "InternalFailure", "InternalServerError", "InternalError",
    "ResourceInUseException",
}  # fmt: skip
# Nothing was sent: no connection came about.
_UNSENT = ("EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError", "SSLError")
_UNANSWERED = ("ReadTimeoutError", "ConnectionClosedError", "HTTPClientError", "ResponseStreamingError")
_NO_CREDENTIALS_NOW = ("MetadataRetrievalError", "CredentialRetrievalError")
_SERVER_FAULT = 500


class FailureClass(NamedTuple):
    """What is known about records after a call failed."""

    passing: bool = False
    """Whether the same call may work later."""
    throttled: bool = False
    """Whether less should be sent."""
    uncertain: bool = False
    """Whether they may have arrived all the same."""


def is_throttle(code: str) -> bool:
    """Tell whether an error code says that too much came."""
    return _THROTTLED.search(code) is not None


def classify_failure(error: AwsError) -> FailureClass:
    """Return what ``error``, raised out of botocore's own exception, means."""
    cause = error.__cause__
    if isinstance(cause, ClientError):
        return _classify_service_error(cause)
    if isinstance(cause, BotoCoreError):
        return _classify_client_error(cause)
    return FailureClass()


def _classify_service_error(error: ClientError) -> FailureClass:
    code = error_code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if is_throttle(code):
        return FailureClass(passing=True, throttled=True)
    if status >= _SERVER_FAULT or code in _BUSY:
        return FailureClass(passing=True, uncertain=True)
    return FailureClass()


def _classify_client_error(error: BotoCoreError) -> FailureClass:
    # By name: some of these are younger than the oldest botocore that this runs with.
    names = {kind.__name__ for kind in type(error).__mro__}
    if "SSLError" in names and "CERTIFICATE" in str(error).upper():
        return FailureClass()
    if names.intersection(_UNSENT) or names.intersection(_NO_CREDENTIALS_NOW):
        return FailureClass(passing=True)
    if names.intersection(_UNANSWERED):
        return FailureClass(passing=True, uncertain=True)
    return FailureClass()

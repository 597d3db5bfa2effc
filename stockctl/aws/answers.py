"""The errors that AWS answers with, as sentences with a way out."""

import re
from collections.abc import Callable, Mapping

from stockctl.aws.refused import Refused
from stockctl.errors import AwsError

_AUTHORISATION = re.compile(
    r"(?P<who>\S+) is not authorized to perform: (?P<action>[\w-]+:\w+)"
    r"(?: on (?:the )?resource: (?P<resource>\S+))?(?: because (?P<reason>.+))?"
)
_AGAIN = "Wait a moment and run the command again."


def explain(refused: Refused) -> AwsError:
    """Return ``refused`` as what happened, why, and what to do next."""
    sentence = _SENTENCES.get(refused.code)
    if sentence is not None:
        return sentence(refused)
    name = f"{refused.service} {refused.operation}".strip()
    return AwsError(f"AWS refused {name} with {refused.code or 'no code'}: {refused.message}")


def _expired(_: Refused) -> AwsError:
    return AwsError(
        "The AWS credentials have expired.",
        "Sign in again ('aws sso login', or fetch new temporary credentials), then run the command again.",
    )


def _unknown_credentials(refused: Refused) -> AwsError:
    return AwsError(
        f"AWS does not accept the credentials: {refused.message} ({refused.code})",
        "Check the access key and the session token, or name another profile with aws.profile; a region "
        "that the account has not enabled answers like this too.",
    )


def _signature(refused: Refused) -> AwsError:
    if refused.code == "RequestTimeTooSkewed" or re.search(r"expired|not yet current", refused.message):
        return AwsError(
            f"AWS refused the time in the signature of {refused.action}: {refused.message}",
            "Set this machine's clock right, then run the command again.",
        )
    return AwsError(
        f"AWS refused the signature of {refused.action} ({refused.code}).",
        "The secret access key does not belong to the access key: check the credentials of this profile.",
    )


def _denied(refused: Refused) -> AwsError:
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


def _throttled(refused: Refused) -> AwsError:
    return AwsError(
        f"AWS throttles {refused.action}{refused.on_resource} ({refused.code}), after several tries as well.",
        _AGAIN,
    )


def _quota(refused: Refused) -> AwsError:
    return AwsError(
        f"A quota of the AWS account is exceeded by {refused.action}{refused.on_resource}: {refused.message}",
        "Remove what is no longer needed, or have the quota raised in the Service Quotas console.",
    )


def _absent(refused: Refused) -> AwsError:
    where = f" in region {refused.region}" if refused.region else ""
    return AwsError(
        f"{refused.resource or refused.message} does not exist{where} ({refused.action}: {refused.code}).",
        "'stockctl provision' makes what is missing; check aws.region when it was made elsewhere.",
    )


def _other_region(refused: Refused) -> AwsError:
    actual = refused.bucket_region
    return AwsError(
        f"{refused.resource or 'The bucket'} is in {'region ' + actual if actual else 'another region'}, "
        f"not in {refused.region or 'the one that was asked'}.",
        f'Set aws.region = "{actual}".' if actual else "Set aws.region to the region of the bucket.",
    )


def _region_disabled(refused: Refused) -> AwsError:
    return AwsError(
        f"The account cannot use {refused.service or 'the service'} in region {refused.region or 'named'}: "
        f"{refused.message}",
        "Enable the region for the account, or set another aws.region.",
    )


def _failed(refused: Refused) -> AwsError:
    return AwsError(
        f"AWS failed at {refused.action}{refused.on_resource} ({refused.code}: {refused.message}), after "
        "several tries as well.",
        _AGAIN,
    )


_CODES: Mapping[Callable[[Refused], AwsError], str] = {
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
_SENTENCES = {code: sentence for sentence, codes in _CODES.items() for code in codes.split()}

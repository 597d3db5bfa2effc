"""botocore's exceptions as ``AwsError``: what happened, why, what to do next."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from stockctl.aws.answers import explain
from stockctl.aws.refused import refused
from stockctl.errors import AwsError

_SIGN_IN = (
    "Run 'aws configure' or 'aws sso login', name a profile with aws.profile or AWS_PROFILE, or export "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
)
_SIGN_IN_AGAIN = "Sign in again ('aws sso login', or 'aws login'), then run the command again."
_NETWORK = "Check the network, then run the command again."


@contextmanager
def explained() -> Iterator[None]:
    """Raise what botocore raises within as ``AwsError``; it serves as a decorator too.

    Raises:
        AwsError: AWS refused, could not be reached, or was not even asked.
    """
    try:
        yield
    except ClientError as error:
        raise explain(refused(error)) from error
    except BotoCoreError as error:
        raise _of_way(error) from error


def _of_way(error: BotoCoreError) -> AwsError:
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

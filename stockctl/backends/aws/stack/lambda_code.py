"""The code of the Lambda functions: build the zip, upload it, check what is deployed."""

import ast
import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from botocore.exceptions import ClientError

import stockctl
from stockctl.backends.aws.client import Client
from stockctl.backends.aws.error_messages import translate_errors
from stockctl.backends.aws.errors import error_code
from stockctl.backends.aws.names import Names
from stockctl.backends.aws.stack.events import StackEvent
from stockctl.backends.aws.stack.polling import PollInterval, wait_for
from stockctl.backends.base import Report
from stockctl.errors import AwsError

HANDLERS = ("stockctl.functions.ingest", "stockctl.functions.trend")
MAX_BYTES = 4_000_000

_PACKAGE = Path(stockctl.__file__).parent
_DISTRIBUTIONS = {
    "aws-lambda-powertools": "aws_lambda_powertools/",
    "typing-extensions": "typing_extensions.py",
    "tzdata": "tzdata/",
}
_EPOCH = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o100644 << 16
_UNIX = 3
_OLD_VERSION_DAYS = 30
_NOT_FOUND_CODES = ("404", "NoSuchBucket", "NoSuchKey", "NotFound")
_DENIED_CODES = ("403", "AccessDenied", "Forbidden")

_EXPIRE_OLD_VERSIONS = {
    "ID": "old-versions",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "NoncurrentVersionExpiration": {"NoncurrentDays": _OLD_VERSION_DAYS},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
}

Ownership = Literal["absent", "ours", "foreign"]


@dataclass(frozen=True)
class Bundle:
    """The files of the zip, sorted by name."""

    files: tuple[tuple[str, bytes], ...]

    @cached_property
    def data(self) -> bytes:
        """The zip; the same files always give the same bytes, because times and modes are fixed."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, content in self.files:
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = _READABLE
                entry.create_system = _UNIX
                archive.writestr(entry, content)
        return buffer.getvalue()

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the zip, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def key(self) -> str:
        """Key of the zip in the artifact bucket."""
        return f"functions/{self.sha256}.zip"


def build() -> Bundle:
    """Build the bundle from the installed code.

    Raises:
        AwsError: a distribution that it needs is not installed, or not as files.
    """
    files = dict(_own_files())
    for distribution, root in _DISTRIBUTIONS.items():
        files.update(_installed_files(distribution, root))
    return Bundle(tuple(sorted(files.items())))


def modules_of(*names: str) -> set[str]:
    """Return ``names`` and all modules of this package that they import, directly or not, with parents."""
    modules: set[str] = set()
    pending = set(names)
    while pending:
        module = pending.pop()
        modules.add(module)
        pending |= {each for each in _imports_of(module) if _path(each) is not None} - modules
        if parent := module.rpartition(".")[0]:
            pending |= {parent} - modules
    return modules


def _own_files() -> Iterator[tuple[str, bytes]]:
    for module in modules_of(*HANDLERS):
        path = _path(module)
        if path is None:
            raise AwsError(
                f"The installation of stockctl lacks the file of {module}.", "Install stockctl again."
            )
        yield path.relative_to(_PACKAGE.parent).as_posix(), path.read_bytes()


def _imports_of(module: str) -> Iterator[str]:
    """Yield the names that ``module`` imports; some may be functions or classes, not modules."""
    path = _path(module)
    if path is None:
        return
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _path(module: str) -> Path | None:
    """Return the file of a module of this package; None if there is no such module."""
    package, *parts = module.split(".")
    if package != stockctl.__name__:
        return None
    place = _PACKAGE.joinpath(*parts)
    candidates = (place / "__init__.py", place.parent / f"{place.name}.py")
    return next((path for path in candidates if path.is_file()), None)


def _installed_files(distribution: str, root: str) -> Iterator[tuple[str, bytes]]:
    hint = "Install stockctl again: pip install --force-reinstall stockctl."
    try:
        files = metadata.distribution(distribution).files
    except metadata.PackageNotFoundError:
        raise AwsError(
            f"The distribution {distribution}, which the Lambda functions need, is not installed.", hint
        ) from None
    if not files:
        raise AwsError(f"The distribution {distribution} is installed without a list of its files.", hint)
    for file in files:
        name = file.as_posix()
        if name.startswith(root) and _is_needed(name):
            yield name, file.read_binary()


def _is_needed(name: str) -> bool:
    """Return whether a file is needed at run time: Python code, or a time zone (no suffix)."""
    return name.endswith(".py") or (
        name.startswith("tzdata/zoneinfo/") and "." not in name.rpartition("/")[2]
    )


def ownership(s3: Client, bucket: str, account: str) -> Ownership:
    """Return whether a bucket exists, and whether it belongs to ``account``.

    Raises:
        AwsError: a request to S3 fails.
    """
    with translate_errors():
        try:
            s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account)
        except ClientError as error:
            if error_code(error) in _NOT_FOUND_CODES:
                return "absent"
            if error_code(error) in _DENIED_CODES:
                return "foreign"
            raise
        return "ours"


def foreign_bucket(bucket: str, key: str) -> AwsError:
    """Return the error for a bucket of another account; ``key`` is the setting that changes the name."""
    return AwsError(
        f"The bucket {bucket} belongs to another account, or these credentials may not read it.",
        f"Bucket names are unique across all accounts: set {key}, or ask the owner of the bucket.",
    )


class Artifacts:
    """The artifact bucket: private, TLS only. A zip is stored under its SHA-256 and uploaded once.

    Every request names the account that must own the bucket.
    """

    def __init__(self, s3: Client, names: Names) -> None:
        self._s3 = s3
        self._names = names
        self._target = {"Bucket": names.artifacts, "ExpectedBucketOwner": names.account}

    def upload(self, bundle: Bundle) -> bool:
        """Upload the bundle; return False if it was uploaded before.

        Raises:
            AwsError: the bucket belongs to another account, or a request to S3 fails.
        """
        self.prepare()
        with translate_errors():
            if self._has(bundle.key):
                return False
            self._s3.put_object(
                **self._target,
                Key=bundle.key,
                Body=bundle.data,
                ContentType="application/zip",
                ChecksumSHA256=base64.b64encode(bytes.fromhex(bundle.sha256)).decode(),
            )
            return True

    def prepare(self) -> None:
        """Create the bucket if it is missing, and apply its settings.

        Raises:
            AwsError: it belongs to another account, or a request to S3 fails.
        """
        state = ownership(self._s3, self._names.artifacts, self._names.account)
        if state == "foreign":
            raise foreign_bucket(self._names.artifacts, "project.name")
        with translate_errors():
            if state == "absent":
                self._create()
            self._configure()

    def _create(self) -> None:
        region = self._names.region
        place: dict[str, Any] = (
            {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        )
        try:
            self._s3.create_bucket(
                Bucket=self._names.artifacts, ObjectOwnership="BucketOwnerEnforced", **place
            )
        except ClientError as error:
            if error_code(error) == "BucketAlreadyExists":
                raise foreign_bucket(self._names.artifacts, "project.name") from error
            if error_code(error) != "BucketAlreadyOwnedByYou":
                raise

    def _configure(self) -> None:
        self._s3.put_public_access_block(
            **self._target,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
        )
        self._s3.put_bucket_policy(**self._target, Policy=json.dumps(_tls_only(self._names)))
        self._s3.put_bucket_versioning(**self._target, VersioningConfiguration={"Status": "Enabled"})
        self._s3.put_bucket_lifecycle_configuration(
            **self._target, LifecycleConfiguration={"Rules": [_EXPIRE_OLD_VERSIONS]}
        )

    def _has(self, key: str) -> bool:
        try:
            self._s3.head_object(**self._target, Key=key)
        except ClientError as error:
            if error_code(error) not in _NOT_FOUND_CODES:
                raise
            return False
        return True


def _tls_only(names: Names) -> dict[str, object]:
    arn = f"arn:{names.partition}:s3:::{names.artifacts}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, f"{arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }


def running_other_code(functions: Client, names: Names, bundle: Bundle) -> Sequence[str]:
    """Return the names of the functions whose code is not ``bundle``, by SHA-256.

    Raises:
        AwsError: a request to Lambda fails.
    """
    return [name for name in names.functions if code_sha256(functions, name) != bundle.sha256]


def replace_code(
    functions: Client,
    names: Names,
    outdated: Sequence[str],
    bundle: Bundle,
    report: Report,
    poll_interval: PollInterval,
) -> None:
    """Deploy the bundle to functions whose code was changed outside of the stack.

    Raises:
        AwsError: a request to Lambda fails, or a function still runs other code afterwards.
    """
    for name in outdated:
        report(StackEvent(name, "other code", "changed outside of the stack; restoring it"))
        with translate_errors():
            functions.update_function_code(FunctionName=name, S3Bucket=names.artifacts, S3Key=bundle.key)
        wait_for(functions, "function_updated_v2", poll_interval, FunctionName=name)
    check_code(functions, names, bundle)


def check_code(functions: Client, names: Names, bundle: Bundle) -> None:
    """Check that both functions run ``bundle``.

    Raises:
        AwsError: one does not.
    """
    outdated = running_other_code(functions, names, bundle)
    if outdated:
        raise AwsError(
            f"{' and '.join(outdated)} still run other code than {bundle.sha256[:12]}… (SHA-256).",
            "Run 'stockctl deploy' again; 'stockctl logs' shows errors of the functions.",
        )


def code_sha256(functions: Client, name: str) -> str:
    """Return the SHA-256 of the code that a function runs, in hexadecimal.

    Raises:
        AwsError: the function does not exist, or a request to Lambda fails.
    """
    with translate_errors():
        digest = functions.get_function_configuration(FunctionName=name)["CodeSha256"]
    return base64.b64decode(digest).hex()

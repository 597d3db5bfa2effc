"""The bucket of the account that holds the functions' code."""

import base64
import json
from typing import Any, Literal

from botocore.exceptions import ClientError

from stockctl.aws.bundle import Bundle
from stockctl.aws.clients import Client
from stockctl.aws.faults import explained
from stockctl.aws.names import Names
from stockctl.aws.refused import error_code
from stockctl.errors import AwsError

_OLD_VERSION_DAYS = 30
_ABSENT = ("404", "NoSuchBucket", "NoSuchKey", "NotFound")
_DENIED = ("403", "AccessDenied", "Forbidden")

Ownership = Literal["absent", "ours", "foreign"]


def ownership(s3: Client, bucket: str, account: str) -> Ownership:
    """Return whether there is a bucket of that name, and whether it belongs to ``account``.

    Raises:
        AwsError: S3 cannot be asked.
    """
    with explained():
        try:
            s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account)
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return "absent"
            if error_code(error) in _DENIED:
                return "foreign"
            raise
        return "ours"


def foreign_bucket(bucket: str, key: str) -> AwsError:
    """Return the refusal of a bucket of another account; ``key`` is what to configure instead."""
    return AwsError(
        f"The bucket {bucket} belongs to another account, or may not be read with these credentials.",
        f"Bucket names are shared by all accounts: set {key}, or ask who owns the bucket.",
    )


class Artifacts:
    """The artifact bucket: private, over TLS only; a zip lies under its SHA-256 and is uploaded once.

    Every call names the account that has to own the bucket.
    """

    def __init__(self, s3: Client, names: Names) -> None:
        self._s3 = s3
        self._names = names
        self._target = {"Bucket": names.artifacts, "ExpectedBucketOwner": names.account}

    def upload(self, bundle: Bundle) -> bool:
        """Put the bundle where the functions take it from; False when it is there already.

        Raises:
            AwsError: the bucket belongs to somebody else, or S3 refuses.
        """
        self.prepare()
        with explained():
            if self._holds(bundle.key):
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
        """Make the bucket when it is not there, and see to its settings.

        Raises:
            AwsError: it belongs to somebody else, or S3 refuses.
        """
        state = ownership(self._s3, self._names.artifacts, self._names.account)
        if state == "foreign":
            raise foreign_bucket(self._names.artifacts, "project.name")
        with explained():
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
            **self._target, LifecycleConfiguration={"Rules": [_OLD_VERSIONS_EXPIRE]}
        )

    def _holds(self, key: str) -> bool:
        try:
            self._s3.head_object(**self._target, Key=key)
        except ClientError as error:
            if error_code(error) not in _ABSENT:
                raise
            return False
        return True


_OLD_VERSIONS_EXPIRE = {
    "ID": "old-versions",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "NoncurrentVersionExpiration": {"NoncurrentDays": _OLD_VERSION_DAYS},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
}


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

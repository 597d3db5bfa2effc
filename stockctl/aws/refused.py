"""An error that AWS answered with, and what was asked."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from botocore.client import BaseClient
from botocore.exceptions import ClientError

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


class Refused(NamedTuple):
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


def refused(error: ClientError) -> Refused:
    """Return what is known of ``error``."""
    response: Mapping[str, Any] = error.response
    fields: Mapping[str, Any] = response.get("Error", {})
    known: Mapping[str, str] = fields.get(_NOTE, {})
    headers: Mapping[str, str] = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return Refused(
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

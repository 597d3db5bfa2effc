"""The CloudFormation template, and what of the configuration is written into it.

Two things cannot be parameters. CloudFormation adopts what ``teardown --keep-data`` left behind only under
a name that stands in the template itself; and the number of subscriptions is not known beforehand.
"""

import hashlib
import json
from collections.abc import Sequence
from importlib import resources

from stockctl.aws.names import Names
from stockctl.config import Subscription
from stockctl.errors import ConfigError
from stockctl.recipients import filter_policy

MAX_BYTES = 51_200
"""What CloudFormation takes without a detour over S3."""

_SUBSCRIPTIONS = "  # Subscriptions of the configuration are rendered here.\n"


def template_text() -> str:
    """Return the template as it is in the package."""
    return resources.files("stockctl.aws").joinpath("template.yaml").read_text("utf-8")


def logical_id(protocol: str, endpoint: str) -> str:
    """Return what the template calls a subscription: it follows from whom it tells, not from its place."""
    return f"Subscription{hashlib.sha256(f'{protocol} {endpoint}'.encode()).hexdigest()[:12]}"


def render(names: Names, subscriptions: Sequence[Subscription]) -> str:
    """Return the template with the names of what holds data, and with the subscriptions.

    Raises:
        ConfigError: somebody is subscribed twice, or it becomes larger than CloudFormation takes.
    """
    _check_once(subscriptions)
    text = template_text()
    for line, name in (
        ("BucketName: !Ref BucketName", names.bucket),
        ("TableName: !Ref QuotesTableName", names.table),
        ("TableName: !Ref AlertsTableName", names.alerts_table),
    ):
        text = text.replace(f"      {line}\n", f"      {line.split()[0]} {json.dumps(name)}\n")
    rendered = text.replace(_SUBSCRIPTIONS, "".join(_resource(each) for each in subscriptions))
    if len(rendered.encode()) > MAX_BYTES:
        raise ConfigError(
            f"The configuration has {len(subscriptions)} subscriptions, more than fit into the template.",
            "Keep some in alerts.subscriptions and add the others with 'stockctl alerts subscribe'.",
        )
    return rendered


def _check_once(subscriptions: Sequence[Subscription]) -> None:
    seen = set()
    for each in subscriptions:
        if (each.protocol, each.endpoint) in seen:
            raise ConfigError(
                f"alerts.subscriptions names {each.protocol} {each.endpoint} twice.",
                "Make one subscription of them, with the symbols and kinds of both.",
            )
        seen.add((each.protocol, each.endpoint))


def _resource(subscription: Subscription) -> str:
    """Return the YAML of a subscription."""
    properties = [
        "TopicArn: !Ref AlertTopic",
        f"Protocol: {subscription.protocol}",
        f"Endpoint: {json.dumps(subscription.endpoint)}",
    ]
    if policy := filter_policy(subscription.symbols, subscription.kinds):
        properties += ["FilterPolicyScope: MessageAttributes", f"FilterPolicy: {json.dumps(policy)}"]
    name = logical_id(subscription.protocol, subscription.endpoint)
    lines = [f"  {name}:", "    Type: AWS::SNS::Subscription", "    Properties:"]
    return "\n".join([*lines, *(f"      {line}" for line in properties)]) + "\n\n"

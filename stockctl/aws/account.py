"""Who is calling, and where."""

from typing import NamedTuple

from stockctl.aws.clients import Connection
from stockctl.aws.faults import explained
from stockctl.errors import AwsError


class Identity(NamedTuple):
    """The account and the region that calls go to, and as whom."""

    account: str
    region: str
    partition: str
    arn: str


def identify(connection: Connection) -> Identity:
    """Return who the credentials belong to.

    Raises:
        AwsError: there are none, they are not accepted, or no region is set.
    """
    sts = connection.client("sts")
    if connection.region is None:
        raise AwsError("No AWS region is set.", 'Set aws.region in the configuration (such as "eu-west-1").')
    with explained():
        answer = sts.get_caller_identity()
    arn = str(answer["Arn"])
    return Identity(str(answer["Account"]), connection.region, arn.split(":")[1], arn)

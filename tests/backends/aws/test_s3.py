"""The raw archive and the quarantine in S3: keys, conditional writes, conflicts, retries."""

import json
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from stockctl.backends.aws.connection import Connection
from stockctl.backends.aws.parallel import Parallel
from stockctl.backends.aws.s3 import S3Archive, S3Quarantine, WriteOnceBucket
from stockctl.pipeline.ports import RawObject, Rejection
from stockctl.retry import Backoff
from support.aws.call_log import noted_calls
from support.aws.moto_account import ACCOUNT, BUCKET

TIME = "2019-02-11T14:31:00.000Z"
EXPECTED = {
    "Bucket": BUCKET, "ExpectedBucketOwner": ACCOUNT, "ContentType": "application/json", "IfNoneMatch": "*",
    "Key": ANY, "Body": ANY,
}  # fmt: skip


@pytest.fixture
def bucket(connection: Connection, parallel: Parallel, backoff: Backoff) -> WriteOnceBucket:
    """The data bucket, its owner known."""
    return WriteOnceBucket(connection.client("s3"), BUCKET, ACCOUNT, parallel, backoff)


def test_the_layout_is_the_one_of_the_files(bucket: WriteOnceBucket, connection: Connection):
    """raw-data, symbol, moment without colons; JSON by its type."""
    S3Archive(bucket).put([RawObject("^VIX", TIME, b"{}"), RawObject("EURUSD=X", TIME, b"{ }")])
    s3 = connection.client("s3")
    keys = [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert keys == [
        "raw-data/EURUSD=X/2019-02-11T14-31-00.000Z.json",
        "raw-data/^VIX/2019-02-11T14-31-00.000Z.json",
    ]
    head = s3.head_object(Bucket=BUCKET, Key=keys[0])
    assert (head["ContentType"], head["ContentLength"]) == ("application/json", 3)


def test_a_quarantined_record_says_where_it_came_from_and_why(
    bucket: WriteOnceBucket, connection: Connection
):
    """One JSON document under the SHA-256 of origin and bytes, however often it is put."""
    rejection = Rejection(b"\xff\x00", "shardId-0:1", "not UTF-8 text")
    S3Quarantine(bucket).put([rejection, rejection])
    s3 = connection.client("s3")
    (found,) = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert (
        found["Key"] == f"quarantine/{sha256(b'shardId-0:1' + bytes([0]) + rejection.data).hexdigest()}.json"
    )
    assert json.loads(s3.get_object(Bucket=BUCKET, Key=found["Key"])["Body"].read()) == {
        "origin": "shardId-0:1",
        "reason": "not UTF-8 text",
        "bytes": b64encode(b"\xff\x00").decode(),
    }


def test_every_write_is_conditional_and_names_the_owner(bucket: WriteOnceBucket, connection: Connection):
    """A bucket of another account is never written to, and no object is overwritten."""
    with noted_calls(connection.client("s3")) as calls:
        S3Archive(bucket).put([RawObject("AAPL", TIME, b"1")])
    (call,) = calls
    assert (
        call.parameters.items()
        >= {name: value for name, value in EXPECTED.items() if value is not ANY}.items()
    )


def test_an_unknown_owner_is_not_named(connection: Connection, parallel: Parallel, backoff: Backoff):
    """Without an account number the parameter is left out."""
    bucket = WriteOnceBucket(connection.client("s3"), BUCKET, None, parallel, backoff)
    with noted_calls(connection.client("s3")) as calls:
        S3Archive(bucket).put([RawObject("AAPL", TIME, b"1")])
    assert "ExpectedBucketOwner" not in calls[0].parameters


def test_a_key_that_is_taken_is_done(
    bucket: WriteOnceBucket, connection: Connection, scripted: Callable[[Any], Stubber]
):
    """Answer 412 means that the object is there: no second try, no error."""
    script = scripted(connection.client("s3"))
    script.add_client_error(
        "put_object", "PreconditionFailed", http_status_code=412, expected_params=EXPECTED
    )
    S3Archive(bucket).put([RawObject("AAPL", TIME, b"1")])
    script.assert_no_pending_responses()


def test_a_key_that_is_fought_for_is_tried_again(
    bucket: WriteOnceBucket, connection: Connection, pauses: list[float], scripted: Callable[[Any], Stubber]
):
    """Answer 409 means that another write of the key is under way: wait, and see who won."""
    script = scripted(connection.client("s3"))
    for _ in range(2):
        script.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
    script.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
    S3Archive(bucket).put([RawObject("AAPL", TIME, b"1")])
    script.assert_no_pending_responses()
    assert pauses == [0.1, 0.2]


def test_a_fight_without_end_is_a_failure(
    bucket: WriteOnceBucket, connection: Connection, pauses: list[float], scripted: Callable[[Any], Stubber]
):
    """After a bounded number of tries the conflict is raised: the object may not be there."""
    script = scripted(connection.client("s3"))
    for _ in range(4):
        script.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
    with pytest.raises(ClientError, match="ConditionalRequestConflict"):
        S3Archive(bucket).put([RawObject("AAPL", TIME, b"1")])
    assert len(pauses) == 3
    script.assert_no_pending_responses()


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchBucket", "InternalError"])
def test_any_other_failure_is_raised_at_once(
    code: str,
    bucket: WriteOnceBucket,
    connection: Connection,
    pauses: list[float],
    scripted: Callable[[Any], Stubber],
):
    """Nothing is swallowed, nothing tried in vain."""
    scripted(connection.client("s3")).add_client_error("put_object", code)
    with pytest.raises(ClientError, match=code):
        S3Archive(bucket).put([RawObject("AAPL", TIME, b"1")])
    assert pauses == []

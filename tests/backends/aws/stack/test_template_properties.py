"""The template: no findings of the linter, and the values of important properties."""

from decimal import Decimal

import pytest
from cfnlint.api import ManualArgs, lint

from stockctl.backends.aws.stack.template import MAX_BYTES, parameters, render, template_text
from stockctl.config.schema import Subscription
from stockctl.errors import ConfigError
from support.aws.template import ACCOUNT, REGION, names, rendered, resources, settings, template

REGIONS = ["us-east-1", "eu-west-1", "ap-southeast-2"]
STATEFUL = "I3011"  # no deletion policy is left to chance


def test_the_linter_finds_nothing() -> None:
    """In three regions, warnings included."""
    assert lint(template_text(), config=ManualArgs(regions=REGIONS, include_checks=[STATEFUL])) == []


def test_the_linter_finds_nothing_in_the_rendered_template() -> None:
    """With subscriptions of every protocol; the parameters of the three written names are left unused."""
    subscriptions = [
        Subscription(protocol="email", endpoint="somebody@example.com"),
        Subscription(protocol="sms", endpoint="+436601234567", kinds=["anomaly"]),
        Subscription(protocol="sqs", endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:alerts", symbols=["AAPL"]),
        Subscription(
            protocol="https", endpoint="https://example.com/a?b=c#d", symbols=["A"], kinds=["trend_up"]
        ),
    ]
    text = render(names(), subscriptions)

    found = lint(text, config=ManualArgs(regions=REGIONS, ignore_checks=["W2001"]))

    assert found == []
    assert len(text.encode()) < MAX_BYTES


def test_what_holds_data_survives_every_stack_operation() -> None:
    """Bucket and tables are retained; nothing else is, so nothing else is left behind."""
    kept = {
        name
        for name, resource in template()["Resources"].items()
        if resource.get("DeletionPolicy") == "Retain" and resource.get("UpdateReplacePolicy") == "Retain"
    }

    assert kept == {"DataBucket", "QuotesTable", "AlertsTable"}
    others = [r for name, r in template()["Resources"].items() if name not in kept]
    assert {r.get("DeletionPolicy", "Delete") for r in others} == {"Delete"}


def test_the_stream_is_encrypted_and_shaped_by_the_configuration() -> None:
    """KMS; shards only where they are provisioned."""
    stream = rendered(stream={"shards": 3, "retention_hours": 72})["Stream"]["Properties"]
    on_demand = rendered(stream={"mode": "on-demand", "shards": 3})["Stream"]["Properties"]

    assert stream["StreamEncryption"] == {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}
    assert stream["StreamModeDetails"] == {"StreamMode": "PROVISIONED"}
    assert (stream["ShardCount"], stream["RetentionPeriodHours"]) == ("3", "72")
    assert on_demand["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    assert "ShardCount" not in on_demand


def test_the_bucket_is_private_encrypted_and_over_tls() -> None:
    """No public access of any kind, objects owned by the account, no plain HTTP for anybody."""
    bucket = rendered()["DataBucket"]["Properties"]
    statements = rendered()["DataBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]

    assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys(
        ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
    )
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    encryption = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption == [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    assert statements == [
        {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": ["DataBucket.Arn", "DataBucket.Arn/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]


def lifecycle(**sections: object) -> dict[str, int]:
    """Return the days after which what lies under a prefix expires."""
    rules = rendered(**sections)["DataBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert {rule["Status"] for rule in rules} == {"Enabled"}
    return {rule["Prefix"]: int(rule["ExpirationInDays"]) for rule in rules if "ExpirationInDays" in rule}


def test_what_need_not_stay_expires() -> None:
    """Query results and failed batches always expire, raw quotes only if configured."""
    assert lifecycle() == {"athena-results/": 7, "aws/lambda/": 90}
    assert lifecycle(archive={"retention_days": 365})["raw-data/"] == 365


def test_tables_recover_expire_and_cost_nothing_idle() -> None:
    """On demand, point-in-time recovery, TTL by configuration, a stream of new images on the quotes."""
    for name in ("QuotesTable", "AlertsTable"):
        table = rendered()[name]["Properties"]
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    quotes = rendered()["QuotesTable"]["Properties"]
    assert quotes["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    assert [key["AttributeName"] for key in quotes["KeySchema"]] == ["symbol", "timestamp"]
    assert quotes["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": False}
    expiring = rendered(table={"ttl_days": 90})["QuotesTable"]["Properties"]
    assert expiring["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


def test_alerts_are_found_by_id_and_by_day() -> None:
    """The key and the index that the alert log reads by."""
    table = rendered()["AlertsTable"]["Properties"]
    index = table["GlobalSecondaryIndexes"][0]

    assert [key["AttributeName"] for key in table["KeySchema"]] == ["alert_id"]
    assert index["IndexName"] == "by_day"
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["created_day", "created_key"]
    assert index["Projection"] == {"ProjectionType": "ALL"}


@pytest.mark.parametrize("stage", ["Ingest", "Trend"])
def test_functions_run_on_arm_and_log_into_a_group_of_the_stack(stage: str) -> None:
    """Python 3.13 on arm64; the log group goes with the stack and forgets in time."""
    parts = rendered(logs={"retention_days": 30}, functions={"memory_mb": 1024})
    function, logs = parts[f"{stage}Function"]["Properties"], parts[f"{stage}Logs"]["Properties"]

    assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
    assert function["Handler"] == f"stockctl.functions.{stage.lower()}.handler"
    assert function["MemorySize"] == "1024"
    assert function["LoggingConfig"] == {"LogGroup": f"{stage}Logs", "LogFormat": "JSON"}
    assert logs["LogGroupName"] == f"/aws/lambda/{function['FunctionName']}"
    assert logs["RetentionInDays"] == "30"


@pytest.mark.parametrize("stage", ["Ingest", "Trend"])
def test_functions_are_told_what_to_compute(stage: str) -> None:
    """The environment carries names and rules; only the trend stage knows the topic."""
    parts = rendered(indicators={"short": 3, "long": 9}, alerts={"max_age": "2h"}, table={"ttl_days": 7})
    variables = parts[f"{stage}Function"]["Properties"]["Environment"]["Variables"]

    assert variables.pop("TOPIC_ARN", None) == ("AlertTopic" if stage == "Trend" else None)
    assert variables == {
        "TABLE_NAME": "QuotesTable",
        "ALERTS_TABLE": "AlertsTable",
        "BUCKET": "DataBucket",
        "SMA_SHORT": "3",
        "SMA_LONG": "9",
        "THRESHOLD_PERCENT": "5",
        "ALERT_MAX_AGE_SECONDS": "7200",
        "TTL_DAYS": "7",
        "POWERTOOLS_SERVICE_NAME": stage.lower(),
        "POWERTOOLS_METRICS_NAMESPACE": "stockctl",
    }


@pytest.mark.parametrize(("stage", "source"), [("Ingest", "Stream.Arn"), ("Trend", "QuotesTable.StreamArn")])
def test_triggers_lose_nothing(stage: str, source: str) -> None:
    """From the first record on, bisected, limited, with the records themselves set aside at the end."""
    mapping = rendered(functions={"batch_size": 250, "batch_window": 1, "parallelization": 4})[
        f"{stage}Mapping"
    ]["Properties"]

    assert mapping["EventSourceArn"] == source
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["Enabled"] is True
    assert (mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]) == ("250", "1")
    assert mapping["ParallelizationFactor"] == "4"
    assert mapping["BisectBatchOnFunctionError"] == "true"
    assert mapping["MaximumRetryAttempts"] == "50"
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["DestinationConfig"] == {"OnFailure": {"Destination": "DataBucket.Arn"}}
    assert mapping["MetricsConfig"] == {"Metrics": ["EventCount"]}


@pytest.mark.parametrize("stage", ["Ingest", "Trend"])
def test_retries_come_from_the_configuration(stage: str) -> None:
    """How often, whether halved, and how long a call may take; the last for both functions."""
    parts = rendered(functions={"retries": 0, "bisect": False, "timeout_seconds": 30})
    mapping = parts[f"{stage}Mapping"]["Properties"]

    assert mapping["MaximumRetryAttempts"] == "0"
    assert mapping["BisectBatchOnFunctionError"] == "false"
    assert parts[f"{stage}Function"]["Properties"]["Timeout"] == "30"


def record_ages(**sections: object) -> tuple[int, int]:
    """Return the hours after which ingest and trend set a record aside."""
    parts = rendered(**sections)
    seconds = [
        int(parts[f"{stage}Mapping"]["Properties"]["MaximumRecordAgeInSeconds"])
        for stage in ("Ingest", "Trend")
    ]
    return seconds[0] // 3600, seconds[1] // 3600


def test_records_are_set_aside_before_a_stream_forgets_them() -> None:
    """The age limit stays an hour below the shorter of the two streams' retentions."""
    for hours in (24, 48, 8760):
        assert record_ages(stream={"retention_hours": hours}) == (23, 23)


def test_the_record_age_comes_from_the_configuration() -> None:
    """For ingest as it was set; for trend at most 23, since the stream of a table keeps 24 hours."""
    assert record_ages(functions={"record_age_hours": 6}) == (6, 6)
    assert record_ages(stream={"retention_hours": 72}, functions={"record_age_hours": 71}) == (71, 23)


@pytest.mark.parametrize(("retention", "age"), [(24, 24), (48, 168)])
def test_a_record_age_that_the_stream_does_not_reach_is_refused(retention: int, age: int) -> None:
    """A record that the stream has forgotten cannot be set aside; both keys are named."""
    chosen = settings(stream={"retention_hours": retention}, functions={"record_age_hours": age})

    with pytest.raises(
        ConfigError, match=rf"record_age_hours = {age} must be below stream\.retention_hours = {retention}"
    ):
        parameters(chosen, names(), "k")


def test_only_new_quotes_reach_the_trend_stage() -> None:
    """Expiry by TTL arrives as REMOVE and is filtered out before it costs an invocation."""
    mappings = resources("AWS::Lambda::EventSourceMapping")

    assert mappings["TrendMapping"]["FilterCriteria"] == {
        "Filters": [{"Pattern": '{"eventName": ["INSERT"]}'}]
    }
    assert "FilterCriteria" not in mappings["IngestMapping"]


def test_topics_are_encrypted_where_they_can_be() -> None:
    """Alerts with SNS's own key; alarms cannot be published to a topic that is."""
    topics = resources("AWS::SNS::Topic")

    assert topics["AlertTopic"]["KmsMasterKeyId"] == "alias/aws/sns"
    assert "KmsMasterKeyId" not in topics["OperationsTopic"]


def test_four_alarms_a_function_tell_operations() -> None:
    """Late, failing, throttled, batches given up: each rings and ends on the operations topic."""
    alarms = resources("AWS::CloudWatch::Alarm")
    watched = {
        (next(iter(alarm["Dimensions"]))["Value"]["Ref"], alarm["MetricName"]) for alarm in alarms.values()
    }

    assert watched == {
        (f"{stage}{kind}", metric)
        for stage in ("Ingest", "Trend")
        for kind, metric in (
            ("Function", "IteratorAge"),
            ("Function", "Errors"),
            ("Function", "Throttles"),
            ("Mapping", "OnFailureDestinationDeliveredEventCount"),
        )
    }
    for alarm in alarms.values():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "OperationsTopic"}]
        assert alarm["TreatMissingData"] == "notBreaching"
        assert alarm["AlarmDescription"]


def test_the_table_for_sql_declares_the_archived_quote() -> None:
    """The ten fields of a raw quote in their order, types declared, read by the OpenX SerDe."""
    table = rendered()["SqlTable"]["Properties"]["TableInput"]
    storage = table["StorageDescriptor"]

    assert [(column["Name"], column["Type"]) for column in storage["Columns"]] == [
        ("symbol", "string"),
        ("timestamp", "string"),
        ("price", "double"),
        ("previous_close", "double"),
        ("open", "double"),
        ("high", "double"),
        ("low", "double"),
        ("volume", "bigint"),
        ("source", "string"),
        ("observed_at", "string"),
    ]
    assert storage["SerdeInfo"] == {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"}
    assert storage["Location"] == "s3://DataBucket/raw-data/"
    assert table["TableType"] == "EXTERNAL_TABLE"
    assert "PartitionKeys" not in table


def test_queries_are_limited_and_leave_with_the_workgroup() -> None:
    """The scan limit cannot be gone around, results go to our bucket, history goes with the workgroup."""
    workgroup = rendered(analytics={"scan_limit_mb": 50})["Workgroup"]["Properties"]
    configuration = workgroup["WorkGroupConfiguration"]

    assert workgroup["RecursiveDeleteOption"] is True
    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert configuration["BytesScannedCutoffPerQuery"] == str(50 * 2**20)
    assert configuration["ResultConfiguration"] == {
        "OutputLocation": "s3://DataBucket/athena-results/",
        "ExpectedBucketOwner": ACCOUNT,
        "EncryptionConfiguration": {"EncryptionOption": "SSE_S3"},
    }


def test_names_that_can_be_adopted_stand_in_the_template() -> None:
    """CloudFormation takes over what exists only under a written name, not under a reference."""
    parts = rendered(project={"name": "alpha"})

    assert parts["DataBucket"]["Properties"]["BucketName"] == names(project={"name": "alpha"}).bucket
    text = render(names(), [])
    for name in (names().bucket, names().table, names().alerts_table):
        assert f'Name: "{name}"\n' in text
    assert "!Ref BucketName" not in text


def test_subscriptions_are_rendered_with_their_filters() -> None:
    """Symbols and kinds filter by message attribute; without them all alerts are sent."""
    parts = rendered(
        alerts={
            "subscriptions": [
                {"protocol": "email", "endpoint": 'odd"name@example.com'},
                {"protocol": "sms", "endpoint": "+436601234567", "symbols": ["AAPL"], "kinds": ["anomaly"]},
            ]
        }
    )
    subscriptions = [part["Properties"] for name, part in parts.items() if name.startswith("Subscription")]

    assert subscriptions == [
        {"TopicArn": "AlertTopic", "Protocol": "email", "Endpoint": 'odd"name@example.com'},
        {
            "TopicArn": "AlertTopic",
            "Protocol": "sms",
            "Endpoint": "+436601234567",
            "FilterPolicyScope": "MessageAttributes",
            "FilterPolicy": {"symbol": ["AAPL"], "kind": ["anomaly"]},
        },
    ]


def test_a_subscription_keeps_its_identity_when_others_come_and_go() -> None:
    """The logical id depends on protocol and endpoint only, so no new confirmation is needed."""
    one = Subscription(protocol="email", endpoint="one@example.com")
    two = Subscription(protocol="email", endpoint="two@example.com")

    def ids(*subscriptions: Subscription) -> set[str]:
        found = rendered(alerts={"subscriptions": [each.model_dump() for each in subscriptions]})
        return {name for name in found if name.startswith("Subscription")}

    assert ids(one) | ids(two) == ids(two, one)
    assert len(ids(one, two)) == 2


def test_nobody_is_subscribed_twice() -> None:
    """Two subscriptions of one endpoint would be the same resource: the hint says to merge them."""
    twice = [
        Subscription(protocol="email", endpoint="one@example.com", kinds=[kind])
        for kind in ("anomaly", "trend_up")
    ]

    with pytest.raises(ConfigError, match=r"names email one@example\.com twice") as raised:
        render(names(), twice)

    assert raised.value.hint


def test_too_many_subscriptions_are_refused() -> None:
    """A template that is too large is rejected before any request."""
    many = [Subscription(protocol="email", endpoint=f"somebody{n}@example.com") for n in range(500)]

    with pytest.raises(ConfigError, match="500 subscriptions, more than the template can hold"):
        render(names(), many)


def test_every_parameter_of_the_template_is_known() -> None:
    """The configuration sets every one, by default as the template does, and none that is not there."""
    declared = template()["Parameters"]
    given = parameters(settings(), names(), "functions/0.zip")

    assert set(given) == set(declared)
    defaults = {name: str(each["Default"]) for name, each in declared.items() if "Default" in each}
    assert {name: given[name] for name in defaults if name in given} == {
        name: value for name, value in defaults.items() if name in given
    }


def test_the_threshold_reaches_aws_as_it_was_written() -> None:
    """No exponent, no float: the function gets the decimal of the configuration."""
    for text in ("0.000001", "1000", "2.50"):
        given = parameters(settings(anomaly={"threshold_percent": Decimal(text)}), names(), "k")
        assert given["ThresholdPercent"] == text


def test_a_log_retention_that_cloudwatch_does_not_know_is_refused() -> None:
    """The message lists the allowed values."""
    with pytest.raises(
        ConfigError, match=r"logs\.retention_days = 15 is not a value that CloudWatch accepts: .* 14, 30, 60"
    ) as raised:
        parameters(settings(logs={"retention_days": 15}), names(), "k")
    assert raised.value.hint == "Set it to 30, for example."

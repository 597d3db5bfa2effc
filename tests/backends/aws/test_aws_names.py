"""The names of the AWS resources."""

import re

import pytest

from stockctl.backends.aws.names import Names
from support.aws.template import names


def test_names_without_a_project_are_those_of_the_contract() -> None:
    """An account and a region, and the names as they are documented."""
    called = names()

    assert called == Names(
        account="123456789012",
        region="eu-west-1",
        partition="aws",
        stack="stockctl",
        stream="stock-market-stream",
        table="stock-market-data",
        alerts_table="stock-market-alerts",
        bucket="stock-market-data-bucket-123456789012-eu-west-1",
        artifacts="stockctl-artifacts-123456789012-eu-west-1",
        alert_topic="stock-market-alerts",
        operations_topic="stock-market-operations",
        ingest_function="stock-market-ingest",
        trend_function="stock-market-trend",
        database="stock_data_db",
        sql_table="stock_data_table",
        workgroup="stockctl",
    )


def test_a_project_prefixes_every_name() -> None:
    """Nothing of two pipelines in one account can meet; SQL names take an underscore."""
    plain, prefixed = names()._asdict(), names(project={"name": "my-fund"})._asdict()
    same = {"account", "region", "partition", "sql_table"}  # the table is inside of the database

    assert {key for key, name in prefixed.items() if name == plain[key]} == same
    assert prefixed.pop("database") == "my_fund_stock_data_db"
    for key in prefixed.keys() - same:
        assert prefixed[key] == f"my-fund-{plain[key]}"


def test_configured_names_are_taken_as_they_are() -> None:
    """A bucket that is set gets neither account nor region."""
    called = names(
        archive={"bucket": "our-quotes"}, stream={"name": "s"}, table={"name": "t"}, alerts={"topic": "a"},
        analytics={"database": "d", "table": "q", "workgroup": "w"},
    )  # fmt: skip

    assert (called.bucket, called.stream, called.table, called.alert_topic) == ("our-quotes", "s", "t", "a")
    assert (called.database, called.sql_table, called.workgroup) == ("d", "q", "w")


@pytest.mark.parametrize("region", ["us-east-1", "ap-southeast-1", "ap-northeast-3", "us-gov-west-1"])
def test_the_longest_project_still_makes_bucket_names(region: str) -> None:
    """S3 takes 63 characters; ten of project, twelve of account and the longest region just fit."""
    from stockctl.backends.aws.names import names_of
    from support.aws.template import settings

    called = names_of(settings(project={"name": "a123456789"}), "123456789012", region)

    for bucket in (called.bucket, called.artifacts):
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", bucket), bucket

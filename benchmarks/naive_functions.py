"""Two functions as they are often written: one record, one object, one read, one item at a time."""

import base64
import json
import os
from decimal import Decimal
from typing import Any

import boto3

s3 = boto3.client("s3")
dynamodb = boto3.client("dynamodb")
sns = boto3.client("sns")


def ingest(event: dict[str, Any], _: object) -> None:
    """Archive, enrich and store each record on its own."""
    for record in event["Records"]:
        body = base64.b64decode(record["kinesis"]["data"])
        quote = json.loads(body, parse_float=Decimal)
        symbol, timestamp = quote["symbol"], quote["timestamp"]
        s3.put_object(Bucket=os.environ["BUCKET"], Key=f"raw-data/{symbol}/{timestamp}.json", Body=body)
        prices = [quote["price"], *_newest(symbol, "price", 19)]
        change = quote["price"] - quote["previous_close"]
        figures = {
            "price": quote["price"],
            "change": change,
            "change_percent": round(change * 100 / quote["previous_close"], 8),
            "sma_short": round(sum(prices[:5]) / 5, 8),
            "sma_long": round(sum(prices[:20]) / 20, 8),
        }
        item = {name: {"N": str(value)} for name, value in figures.items()}
        item |= {"symbol": {"S": symbol}, "timestamp": {"S": timestamp}}
        dynamodb.put_item(TableName=os.environ["TABLE_NAME"], Item=item)


def trend(event: dict[str, Any], _: object) -> None:
    """Read the last quotes of each record's symbol and tell of a crossing."""
    for record in event["Records"]:
        image = record["dynamodb"]["NewImage"]
        symbol, timestamp = image["symbol"]["S"], image["timestamp"]["S"]
        prices = _newest(symbol, "price", 21)
        if len(prices) < 21:
            continue
        now = sum(prices[:5]) / 5 - sum(prices[:20]) / 20
        before = sum(prices[1:6]) / 5 - sum(prices[1:21]) / 20
        if (now > 0) != (before > 0):
            alert = {"alert_id": {"S": f"{symbol}|{timestamp}"}, "symbol": {"S": symbol}}
            dynamodb.put_item(TableName=os.environ["ALERTS_TABLE"], Item=alert)
            sns.publish(TopicArn=os.environ["TOPIC_ARN"], Message=json.dumps(alert))


def _newest(symbol: str, name: str, count: int) -> list[Decimal]:
    answer = dynamodb.query(
        TableName=os.environ["TABLE_NAME"],
        KeyConditionExpression="symbol = :p",
        ExpressionAttributeValues={":p": {"S": symbol}},
        ScanIndexForward=False,
        Limit=count,
    )
    return [Decimal(item[name]["N"]) for item in answer["Items"]]

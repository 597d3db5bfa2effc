"""Hundreds of malformed records among good ones, and what a user sees of them."""

import base64
import json

import pytest

from stockctl.backends.factory import open_backend
from stockctl.config.schema import Settings
from stockctl.pipeline.ports import Record
from support.cli.command import Command
from support.malformed_records import malformed_records

pytestmark = pytest.mark.slow


def good(number: int) -> bytes:
    """Return a record that can be read; each is of another minute."""
    timestamp = f"2026-01-05T{15 + number // 60:02}:{number % 60:02}:00.000Z"
    return f'{{"symbol":"AAPL","timestamp":"{timestamp}","price":{100 + number},"source":"replay"}}'.encode()


def test_every_malformed_record_is_quarantined_and_nothing_else_is_touched(stockctl: Command) -> None:
    """Each lies in quarantine with its reason and its bytes, counted once; the good ones are all stored."""
    bad = malformed_records()
    assert len(bad) >= 500
    mixed = [Record(data, f"test#{number}") for number, (data, _) in enumerate(bad)]
    for number in range(100):
        mixed.insert(number * 5, Record(good(number), "test"))
    backend = open_backend(Settings.model_validate({"local": {"path": stockctl.home}}))
    backend.prepare()
    with backend.stream() as stream:
        first, second = stream.send(mixed), stream.send(mixed)
    assert (first.stored, first.quarantined) == (100, len(bad))
    assert (second.stored, second.duplicates) == (0, 100)
    (status,) = stockctl.rows("status")
    assert (status["quotes"], status["quarantined"]) == (100, len(bad))
    kept = [json.loads(file.read_text()) for file in (stockctl.home / "quarantine").glob("*.json")]
    by_origin = {document["origin"]: document for document in kept}
    for number, (data, fragment) in enumerate(bad):
        document = by_origin[f"test#{number}"]
        assert base64.b64decode(document["bytes"]) == data
        assert fragment in document["reason"]
    prices = [quote["price"] for quote in stockctl.rows("query", "history", "AAPL", "--limit", "0")]
    assert prices == [100 + number for number in range(100)]

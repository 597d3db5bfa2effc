"""What tests of a producer share."""

import logging
from collections.abc import Iterator

import pytest

from support.producer_inputs import Lines


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What the producer logs."""
    handler, logger = Lines(), logging.getLogger("stockctl.producer")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before)

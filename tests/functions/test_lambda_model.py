"""The model of Lambda's event source mappings behaves as documented."""

from typing import Any

import pytest

from support.aws.lambda_model import EventSource, Killed, Lane, Shard, StreamRecord


class Function:
    """A function that records its input, and succeeds or fails as configured."""

    def __init__(self, *outcomes: Any) -> None:
        self.handed: list[list[str]] = []
        self._outcomes = list(outcomes)

    def __call__(self, event: dict[str, Any]) -> Any:
        self.handed.append([record["name"] for record in event["Records"]])
        outcome = self._outcomes.pop(0) if self._outcomes else None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


def failing(*numbers: str | None) -> dict[str, Any]:
    """Return a partial answer that names ``numbers``."""
    return {"batchItemFailures": [{"itemIdentifier": number} for number in numbers]}


def records(names: str) -> list[StreamRecord]:
    """Return a record for each letter, its own key and number."""
    return [StreamRecord(name, name, {"name": name}) for name in names]


def run(function: Function, names: str, **settings: Any) -> Lane:
    """Run ``names`` through one lane."""
    shard = Shard(EventSource(**settings))
    shard.extend(records(names))
    shard.run(function)
    return shard.lanes[0]


def test_batches_come_in_order_and_of_the_size_that_is_set() -> None:
    """A stream is cut into batches from its start."""
    function = Function()
    run(function, "abcde", batch_size=2)
    assert function.handed == [["a", "b"], ["c", "d"], ["e"]]


@pytest.mark.parametrize("fault", [ValueError("no"), Killed()])
def test_a_failed_batch_comes_again_before_later_ones(fault: BaseException) -> None:
    """Nothing overtakes a batch that failed."""
    function = Function(fault)
    run(function, "abcd", batch_size=2, bisect=False)
    assert function.handed == [["a", "b"], ["a", "b"], ["c", "d"]]


def test_a_failed_batch_is_cut_in_two_until_the_culprit_is_alone() -> None:
    """Bisection narrows a fault down, and is no retry."""
    function = Function(ValueError(), ValueError(), ValueError(), ValueError())
    lane = run(function, "abcd", batch_size=4, retries=1)
    assert function.handed == [["a", "b", "c", "d"], ["a", "b"], ["a"], ["a"], ["b"], ["c", "d"]]
    assert [record.partition_key for record in lane.discarded] == ["a"]


def test_a_partial_answer_goes_on_at_the_lowest_number_it_names() -> None:
    """What lies before is done with, all that follows comes again."""
    function = Function(failing("d", "c"))
    run(function, "abcd", batch_size=4)
    assert function.handed == [["a", "b", "c", "d"], ["c", "d"]]


@pytest.mark.parametrize("number", ["", None, "x"])
def test_an_answer_that_names_no_record_is_a_complete_failure(number: str | None) -> None:
    """An empty or unknown number brings everything again."""
    function = Function(failing(number))
    run(function, "ab", bisect=False)
    assert function.handed == [["a", "b"], ["a", "b"]]


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}])
def test_an_empty_answer_is_a_complete_success(answer: Any) -> None:
    """Nothing named, nothing again."""
    function = Function(answer)
    run(function, "ab")
    assert function.handed == [["a", "b"]]


def test_a_partial_answer_counts_for_nothing_unless_the_mapping_asks_for_it() -> None:
    """Without the response type the batch is taken as done."""
    function = Function(failing("a"))
    run(function, "ab", partial_responses=False)
    assert function.handed == [["a", "b"]]


def test_records_go_to_the_destination_after_their_retries() -> None:
    """The lane moves on, and the records are kept."""
    function = Function(ValueError(), ValueError(), ValueError())
    lane = run(function, "abc", batch_size=2, bisect=False, retries=2)
    assert function.handed == [["a", "b"]] * 3 + [["c"]]
    assert [record.partition_key for record in lane.discarded] == ["a", "b"]


def test_records_go_to_the_destination_when_they_are_too_old() -> None:
    """Age ends the retries as well."""
    function = Function(ValueError(), ValueError())
    lane = run(function, "abc", batch_size=2, bisect=False, record_age=2)
    assert function.handed == [["a", "b"]] * 2 + [["c"]]
    assert len(lane.discarded) == 2


def test_lanes_part_by_key_and_keep_the_order_of_each() -> None:
    """A failing lane holds up only its own keys."""
    shard = Shard(EventSource(batch_size=1, parallelization=10, bisect=False))
    shard.extend(StreamRecord(f"{key}{n}", key, {"name": f"{key}{n}"}) for n in range(3) for key in "ab")
    function = Function(ValueError())
    shard.run(function)
    flat = [name for batch in function.handed for name in batch]
    for key in "ab":
        assert sorted(set(flat)) == ["a0", "a1", "a2", "b0", "b1", "b2"]
        assert [name for name in dict.fromkeys(flat) if name[0] == key] == [f"{key}{n}" for n in range(3)]


def test_a_function_that_gets_nowhere_is_noticed() -> None:
    """A batch that fails for ever is no success."""
    shard = Shard(EventSource(bisect=False))
    shard.extend(records("a"))
    with pytest.raises(AssertionError, match="gets nowhere"):
        shard.run(Function(*[ValueError()] * 50), most=20)

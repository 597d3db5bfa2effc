"""Records the calls of AWS clients."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple


class Call(NamedTuple):
    """One call of an operation."""

    operation: str
    parameters: dict[str, Any]


@contextmanager
def noted_calls(*clients: Any) -> Iterator[list[Call]]:
    """Note the calls of ``clients``; they go on as they are."""
    calls: list[Call] = []

    def note(params: dict[str, Any], model: Any, **_: object) -> None:
        calls.append(Call(model.name, params))

    for client in clients:
        client.meta.events.register("before-parameter-build", note, unique_id="noted-calls")
    try:
        yield calls
    finally:
        for client in clients:
            client.meta.events.unregister("before-parameter-build", unique_id="noted-calls")

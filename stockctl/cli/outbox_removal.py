"""The outboxes of the embedded pipeline, as teardown shows and removes them."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from stockctl.cli.outbox import NAME, outbox_path
from stockctl.cli.terminal import counted

if TYPE_CHECKING:
    from stockctl.backend import Step
    from stockctl.config import Settings
    from stockctl.producer.removal import Idle


class Outboxes(NamedTuple):
    """Outboxes that nobody uses: those that go, and those that stay for what waits in them."""

    going: "Sequence[Idle]"
    staying: "Sequence[Idle]"

    def steps(self) -> "list[Step]":
        """Return what becomes of each file."""
        from stockctl.backend import Step

        return [
            Step(action, str(file), "outbox", _waiting(box) if file == box.path else what)
            for action, boxes in (("delete", self.going), ("keep", self.staying))
            for box in boxes
            for file, what in box.files
        ]


def _waiting(box: "Idle") -> str:
    return f"{counted(box.waiting, 'quote')} waiting for delivery" if box.waiting else "nothing waits in it"


@contextmanager
def idle_outboxes(settings: "Settings", *, keep_data: bool) -> Iterator[Outboxes]:
    """Give the outboxes that teardown is about, and keep producers from them meanwhile.

    Quotes that wait are data that is nowhere else: ``keep_data`` keeps an outbox that holds some. What waits
    for a stream on AWS stays, whatever becomes of that one.

    Raises:
        OutboxError: a producer uses one; or it is damaged, not ours, or newer.
    """
    from stockctl.producer.removal import idle

    paths = []
    if settings.target == "local":
        # The one in the home is there from times in which none was configured.
        paths = [outbox_path(settings), settings.local.path.expanduser().absolute() / NAME]
    with ExitStack() as held:
        found = [held.enter_context(idle(path)) for path in dict.fromkeys(paths)]
        boxes = [box for box in found if box is not None]
        staying = [box for box in boxes if keep_data and box.waiting]
        yield Outboxes([box for box in boxes if box not in staying], staying)

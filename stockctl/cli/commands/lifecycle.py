"""The commands plan, provision and teardown."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from stockctl.cli.errors import handle_errors
from stockctl.cli.options import settings_and_backend
from stockctl.cli.output import tables
from stockctl.cli.output.tables import Format, Output, Row, emit
from stockctl.cli.output.terminal import pluralize, print_message
from stockctl.cli.prompts import confirm_by_name, prompt
from stockctl.producer.outbox.paths import NAME, outbox_path

if TYPE_CHECKING:
    from stockctl.backends.base import Step
    from stockctl.config.schema import Settings
    from stockctl.producer.outbox.inspect import UnusedOutbox


class OutboxRemoval(NamedTuple):
    """Outboxes that nobody uses: those that go, and those that stay for what waits in them."""

    going: "Sequence[UnusedOutbox]"
    staying: "Sequence[UnusedOutbox]"

    def steps(self) -> "list[Step]":
        """Return what becomes of each file."""
        from stockctl.backends.base import Step

        return [
            Step(action, str(file), "outbox", _waiting_text(box) if file == box.path else what)
            for action, boxes in (("delete", self.going), ("keep", self.staying))
            for box in boxes
            for file, what in box.files
        ]


def _waiting_text(box: "UnusedOutbox") -> str:
    return f"{pluralize(box.waiting, 'quote')} waiting for delivery" if box.waiting else "nothing waits in it"


@contextmanager
def find_unused_outboxes(settings: "Settings", *, keep_data: bool) -> Iterator[OutboxRemoval]:
    """Give the outboxes that teardown is about, and keep producers from them meanwhile.

    Quotes that wait are data that is nowhere else: ``keep_data`` keeps an outbox that holds some. What waits
    for a stream on AWS stays, whatever becomes of that one.

    Raises:
        OutboxError: a producer uses one; or it is damaged, not ours, or newer.
    """
    from stockctl.producer.outbox.inspect import unused_outbox

    paths = []
    if settings.target == "local":
        # The one in the home is there from times in which none was configured.
        paths = [outbox_path(settings), settings.local.path.expanduser().absolute() / NAME]
    with ExitStack() as held:
        found = [held.enter_context(unused_outbox(path)) for path in dict.fromkeys(paths)]
        boxes = [box for box in found if box is not None]
        staying = [box for box in boxes if keep_data and box.waiting]
        yield OutboxRemoval([box for box in boxes if box not in staying], staying)


if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockctl.backends.base import Backend, Plan, Step

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")]
KeepData = Annotated[
    bool,
    typer.Option(
        "--keep-data",
        help="Keep the data: embedded the raw archive and quotes that wait, on AWS bucket and tables.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("plan", help="Show what provision would do, and what it costs. Changes nothing.")(
        handle_errors(plan)
    )
    app.command("provision", help="Make what the pipeline needs. Run again it changes nothing.")(
        handle_errors(provision)
    )
    app.command("teardown", help="Remove the pipeline and its data. Asks for the project's name.")(
        handle_errors(teardown)
    )


def plan(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """Show what provision would do."""
    _, backend = settings_and_backend(ctx)
    found = backend.plan(print_message)
    if not found.steps:
        print_message(f"Nothing to do: the pipeline is in {backend.location}.")
    show_steps(found.steps, output)
    print_message(f"Cost: {found.cost}.")


def provision(ctx: typer.Context, *, yes: Yes = False, output: Output = Format.TABLE) -> None:
    """Make what is missing."""
    _, backend = settings_and_backend(ctx)
    shown = False

    def agree(found: "Plan") -> bool:
        nonlocal shown
        shown = True
        show_steps(found.steps, output)
        print_message(f"Cost: {found.cost}.")
        return yes or not backend.costs_money or prompt("Make this?")

    outcome = backend.provision(agree, print_message)
    if not outcome.steps:
        if shown:
            print_message("Nothing was made.")
            raise typer.Exit(1)
        print_message(f"Nothing to do: the pipeline is in {backend.location}.")
    if not shown:
        show_steps(outcome.steps, output)
    if outcome.steps:
        for name, value in outcome.outputs.items():
            print_message(f"{name}: {value}")
        if "OperationsTopicArn" in outcome.outputs:
            print_message("Nobody hears the alarms yet: subscribe somebody to OperationsTopicArn.")
        print_message(f"The pipeline is ready in {backend.location}.")
        print_message("Next: stockctl stream --symbols AAPL,MSFT   (or: stockctl demo)")


def teardown(
    ctx: typer.Context, *, keep_data: KeepData = False, yes: Yes = False, output: Output = Format.TABLE
) -> None:
    """Remove what provisioning and streaming made."""
    settings, backend = settings_and_backend(ctx)
    steps = backend.plan_teardown(keep_data=keep_data)
    with find_unused_outboxes(settings, keep_data=keep_data) as outboxes:
        if not steps and not outboxes.going:
            print_message(f"Nothing to tear down in {backend.location}.")
            return
        show_steps([*steps, *outboxes.steps()], output)
        if not yes and not confirm_by_name(
            settings.project.label, f"This deletes what is listed in {backend.location}."
        ):
            print_message("Nothing was deleted: that is not the project's name.")
            raise typer.Exit(1)
        _tear_down(backend, outboxes, keep_data=keep_data)


def _tear_down(backend: "Backend", outboxes: OutboxRemoval, *, keep_data: bool) -> None:
    for outbox in outboxes.going:  # before the home, which may hold it, and goes when it is empty
        outbox.remove()
    left = backend.teardown(keep_data=keep_data, report=print_message)
    print_message("Done." if not keep_data else f"Done. The raw archive stays in {backend.location}.")
    for outbox in outboxes.staying:
        print_message(
            f"{pluralize(outbox.waiting, 'quote')} in {outbox.path}: the next stream sends what waits."
        )
    ours = {str(file) for outbox in outboxes.staying for file, _ in outbox.files}
    if left := [name for name in left if os.path.join(backend.location, name) not in ours]:
        print_message(f"Left in {backend.location}, because stockctl did not make it: {', '.join(left)}")


def show_steps(steps: "Sequence[Step]", output: Format) -> None:
    """Write what is done, or would be."""
    rows: list[Row] = [step._asdict() for step in steps]
    from stockctl.backends.base import Step

    style = {"create": "green", "adopt": "green", "keep": "green", "replace": "red", "delete": "red"}
    shown = [
        tables.colour_by_sign("ACTION", "action", style),
        tables.text_cell("RESOURCE", "resource"),
        tables.text_cell("KIND", "kind"),
        tables.text_cell("WHAT", "detail"),
    ]
    if any(step.data for step in steps):
        shown.append(tables.text_cell("DATA", "data", style="yellow"))
    emit(rows, Step._fields, shown, output)

"""plan, provision and teardown."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from stockctl.cli.options import Yes, settings_and_backend
from stockctl.cli.output.columns import Row, text_column, word_column
from stockctl.cli.output.messages import pluralize, print_message
from stockctl.cli.output.tables import Format, Output, emit
from stockctl.cli.prompts import confirm, confirm_by_name
from stockctl.cli.registration import add_command
from stockctl.producer.outbox.paths import NAME, outbox_path

if TYPE_CHECKING:
    from stockctl.backends.base import Backend, Plan, Step
    from stockctl.config.schema import Settings
    from stockctl.producer.outbox.inspect import UnusedOutbox


class OutboxRemoval(NamedTuple):
    """Outboxes that no producer uses: those to delete, and those to keep because they contain quotes."""

    deleted: "Sequence[UnusedOutbox]"
    kept: "Sequence[UnusedOutbox]"

    def steps(self) -> "list[Step]":
        """Return a step for each file."""
        from stockctl.backends.base import Step

        return [
            Step(action, str(file), "outbox", _waiting_text(outbox) if file == outbox.path else what)
            for action, outboxes in (("delete", self.deleted), ("keep", self.kept))
            for outbox in outboxes
            for file, what in outbox.files
        ]


def _waiting_text(outbox: "UnusedOutbox") -> str:
    return f"{pluralize(outbox.waiting, 'quote')} waiting for delivery" if outbox.waiting else "empty"


@contextmanager
def find_unused_outboxes(settings: "Settings", *, keep_data: bool) -> Iterator[OutboxRemoval]:
    """Yield the outboxes that teardown deletes or keeps.

    They are locked until the block ends, so that no producer can use them. Undelivered quotes are stored
    nowhere else, so ``keep_data`` keeps an outbox that contains some. The outbox of a stream on AWS is always
    kept.

    Raises:
        OutboxError: a producer uses one; or one is damaged, of another program, or of a newer stockctl.
    """
    from stockctl.producer.outbox.inspect import unused_outbox

    paths = []
    if settings.target == "local":
        # The data folder may still contain the default outbox, from before stream.outbox was set.
        paths = [outbox_path(settings), settings.local.path.expanduser().absolute() / NAME]
    with ExitStack() as locks:
        found = [locks.enter_context(unused_outbox(path)) for path in dict.fromkeys(paths)]
        outboxes = [outbox for outbox in found if outbox is not None]
        kept = [outbox for outbox in outboxes if keep_data and outbox.waiting]
        yield OutboxRemoval([outbox for outbox in outboxes if outbox not in kept], kept)


KeepData = Annotated[
    bool,
    typer.Option(
        "--keep-data",
        help="Keep the data. Local: raw archive and undelivered quotes. AWS: bucket and tables.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    add_command(app, "plan", plan, "stockctl plan", "stockctl --target aws plan")
    add_command(app, "provision", provision, "stockctl provision", "stockctl --target aws provision --yes")
    add_command(app, "teardown", teardown, "stockctl teardown", "stockctl teardown --keep-data")


def plan(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """Show what provision would create and what it would cost; changes nothing."""
    _, backend = settings_and_backend(ctx)
    planned = backend.plan(print_message)
    if not planned.steps:
        print_message(f"Nothing to do: the pipeline in {backend.location} is complete.")
    show_steps(planned.steps, output)
    print_message(f"Cost: {planned.cost}.")


def provision(ctx: typer.Context, *, yes: Yes = False, output: Output = Format.TABLE) -> None:
    """Create or update the resources of the pipeline; safe to run again."""
    _, backend = settings_and_backend(ctx)
    shown = False

    def approve(planned: "Plan") -> bool:
        nonlocal shown
        shown = True
        show_steps(planned.steps, output)
        print_message(f"Cost: {planned.cost}.")
        return yes or not backend.costs_money or confirm("Create this?")

    outcome = backend.provision(approve, print_message)
    if not outcome.steps:
        if shown:
            print_message("Nothing was created.")
            raise typer.Exit(1)
        print_message(f"Nothing to do: the pipeline in {backend.location} is complete.")
    if not shown:
        show_steps(outcome.steps, output)
    if outcome.steps:
        for name, value in outcome.outputs.items():
            print_message(f"{name}: {value}")
        if "OperationsTopicArn" in outcome.outputs:
            print_message(
                "The alarms have no subscriber yet. Subscribe an address to the SNS topic OperationsTopicArn."
            )
        print_message(f"The pipeline is ready in {backend.location}.")
        print_message("Next: stockctl stream --symbols AAPL,MSFT   (or: stockctl demo)")


def teardown(
    ctx: typer.Context, *, keep_data: KeepData = False, yes: Yes = False, output: Output = Format.TABLE
) -> None:
    """Delete the pipeline and its data; asks for the project's name first."""
    settings, backend = settings_and_backend(ctx)
    steps = backend.plan_teardown(keep_data=keep_data)
    with find_unused_outboxes(settings, keep_data=keep_data) as outboxes:
        if not steps and not outboxes.deleted:
            print_message(f"Nothing to tear down in {backend.location}.")
            return
        show_steps([*steps, *outboxes.steps()], output)
        if not yes and not confirm_by_name(
            settings.project.label, f"This deletes the resources above in {backend.location}."
        ):
            print_message("Nothing was deleted: the typed text is not the name of the project.")
            raise typer.Exit(1)
        _tear_down(backend, outboxes, keep_data=keep_data)


def _tear_down(backend: "Backend", outboxes: OutboxRemoval, *, keep_data: bool) -> None:
    for outbox in (
        outboxes.deleted
    ):  # before the data folder: it may contain the outbox, and is deleted when it is empty
        outbox.remove()
    left = backend.teardown(keep_data=keep_data, report=print_message)
    print_message(
        "Done." if not keep_data else "Done. The data was kept (the steps above with the action keep)."
    )
    for outbox in outboxes.kept:
        print_message(
            f"{pluralize(outbox.waiting, 'quote')} in {outbox.path}: the next stream delivers them."
        )
    ours = {str(file) for outbox in outboxes.kept for file, _ in outbox.files}
    if left := [name for name in left if os.path.join(backend.location, name) not in ours]:
        print_message(
            f"Not deleted in {backend.location}, because stockctl did not create it: {', '.join(left)}"
        )


def show_steps(steps: "Sequence[Step]", output: Format) -> None:
    """Write the steps that were done or are planned."""
    from stockctl.backends.base import Step

    rows: list[Row] = [step._asdict() for step in steps]

    style = {"create": "green", "adopt": "green", "keep": "green", "replace": "red", "delete": "red"}
    columns = [
        word_column("ACTION", "action", style),
        text_column("RESOURCE", "resource"),
        text_column("KIND", "kind"),
        text_column("WHAT", "detail"),
    ]
    if any(step.data for step in steps):
        columns.append(text_column("DATA", "data", style="yellow"))
    emit(rows, Step._fields, columns, output)

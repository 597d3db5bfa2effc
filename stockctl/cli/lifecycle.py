"""plan, provision, status, teardown, and what only AWS has."""

from typing import TYPE_CHECKING, Annotated

import typer

from stockctl.cli import columns
from stockctl.cli.boundary import guarded
from stockctl.cli.confirm import ask_for_name
from stockctl.cli.context import settings_and_backend
from stockctl.cli.output import Format, Output, Row, emit, write, write_csv, write_table
from stockctl.cli.terminal import say
from stockctl.market.jsontext import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockctl.backend import Status, Step
    from stockctl.config import Settings

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")]
KeepData = Annotated[bool, typer.Option("--keep-data", help="Keep the raw archive.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("plan", help="Show what provision would do, and what it costs. Changes nothing.")(
        guarded(plan)
    )
    app.command("provision", help="Make what the pipeline needs. Run again it changes nothing.")(
        guarded(provision)
    )
    app.command("status", help="Show what is there and how fresh it is.")(guarded(status))
    app.command("teardown", help="Remove the pipeline and its data. Asks for the project's name.")(
        guarded(teardown)
    )


def plan(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """Show what provision would do."""
    _, backend = settings_and_backend(ctx)
    steps = backend.plan()
    if not steps:
        say(f"Nothing to do: the pipeline is in {backend.place}.")
    _show(steps, output)
    say(f"Cost: {backend.cost}.")


def provision(ctx: typer.Context, *, yes: Yes = False, output: Output = Format.TABLE) -> None:  # noqa: ARG001
    """Make what is missing."""
    _, backend = settings_and_backend(ctx)
    steps = backend.provision()
    _show(steps, output)
    if steps:
        say(f"The pipeline is ready in {backend.place}.")
        say("Next: stockctl stream --symbols AAPL,MSFT   (or: stockctl demo)")
    else:
        say(f"Nothing to do: the pipeline is in {backend.place}.")


def status(ctx: typer.Context, output: Output = Format.TABLE) -> None:
    """Show what is there."""
    settings, backend = settings_and_backend(ctx)
    report = backend.status()
    if output is Format.JSON:
        latest = [quote._asdict() for quote in report.latest]
        write("[" + to_json({**dict(report.facts), "latest": latest}) + "]")
    elif output is Format.CSV:
        write_csv(("name", "value"), [*report.facts, *((q.symbol, q.timestamp) for q in report.latest)])
    else:
        _show_status(report, settings)


def teardown(
    ctx: typer.Context, *, keep_data: KeepData = False, yes: Yes = False, output: Output = Format.TABLE
) -> None:
    """Remove what provisioning and streaming made."""
    settings, backend = settings_and_backend(ctx)
    steps = backend.plan_teardown(keep_data=keep_data)
    if not steps:
        say(f"Nothing to tear down in {backend.place}.")
        return
    _show(steps, output)
    if not yes and not ask_for_name(
        settings.project.label, f"This deletes what is listed in {backend.place}."
    ):
        say("Nothing was deleted: that is not the project's name.")
        raise typer.Exit(1)
    left = backend.teardown(keep_data=keep_data, progress=lambda count: say(f"{count:,} objects removed"))
    say("Done." if not keep_data else f"Done. The raw archive stays in {backend.place}.")
    if left:
        say(f"Left in {backend.place}, because stockctl did not make it: {', '.join(left)}")


def _show(steps: "Sequence[Step]", output: Format) -> None:
    rows: list[Row] = [step._asdict() for step in steps]
    style = {"create": "green", "delete": "red", "keep": "green"}
    shown = [
        columns.coloured("ACTION", "action", style),
        columns.text("RESOURCE", "resource"),
        columns.text("WHAT", "detail"),
    ]
    emit(rows, ("action", "resource", "detail"), shown, output)


def _show_status(report: "Status", settings: "Settings") -> None:
    for name, value in report.facts:
        write(f"{name.replace('_', ' ') + ':':<15}{_fact(name, value)}")
    if report.latest:
        write("")
        rows: list[Row] = [quote._asdict() for quote in report.latest]
        write_table(rows, columns.quote_columns(settings.indicators.short, settings.indicators.long))


def _fact(name: str, value: str | int) -> str:
    if isinstance(value, str):
        return value
    return _bytes(value) if name.startswith("bytes") else f"{value:,}"


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"

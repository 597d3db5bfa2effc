"""stream: from a source into the pipeline."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from stockctl.cli.alert_view import AlertLines
from stockctl.cli.boundary import INTERRUPTED, guarded
from stockctl.cli.context import settings_and_backend
from stockctl.cli.options import parse_symbols
from stockctl.cli.output import Format, Output
from stockctl.cli.progress import activity, progress
from stockctl.cli.terminal import counted, say
from stockctl.sources.choice import SourceOptions, choose_source

if TYPE_CHECKING:
    from stockctl.backend import Backend
    from stockctl.producer import Totals
    from stockctl.sources.base import Source


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("stream")(guarded(stream))


def stream(
    ctx: typer.Context,
    *,
    symbols: Annotated[
        str | None, typer.Option("--symbols", "-s", help="Such as AAPL,MSFT; a replay takes all without it.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="yahoo, replay or simulate; replay when --file is given.")
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option("--file", "-f", help="(replay) CSV, NDJSON or Parquet, gz too; - is stdin. Repeatable."),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="(replay) Zone of times without one. [default: America/New_York]")
    ] = None,
    interval: Annotated[float | None, typer.Option(min=1, help="(yahoo) Seconds between polls.")] = None,
    once: Annotated[bool, typer.Option("--once", help="(yahoo) Poll once, then end.")] = False,
    speed: Annotated[
        float | None,
        typer.Option(min=0, help="(replay, simulate) Times real time; 0 is as fast as possible."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="(simulate) The same seed gives the same quotes.")] = None,
    start: Annotated[str | None, typer.Option(help="(simulate) When the market time begins.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Quotes at most; 0 means all.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not write alerts as they happen.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Send quotes through the pipeline; alerts go to stdout as they happen, all else to stderr."""
    settings, backend = settings_and_backend(ctx)
    options = SourceOptions(
        name=source,
        symbols=parse_symbols(symbols),
        files=file or (),
        timezone=timezone,
        interval=interval,
        once=once,
        speed=speed,
        seed=seed,
        start=start,
    )
    with activity() as tell:
        chosen = choose_source(options, settings, tell)
    if backend.prepare():
        say(f"Made a new home in {backend.place}.")
    code = _run(chosen, backend, limit=limit, lines=None if quiet else AlertLines(output))
    if code:
        raise typer.Exit(code)


def _run(source: "Source", backend: "Backend", *, limit: int, lines: AlertLines | None) -> int:
    from stockctl.producer import Producer

    with backend.stream() as sink, progress(source, lines) as observe, stop_signals() as signals:
        producer = Producer(source, sink, limit=limit, observe=observe)
        try:
            producer.run(signals.stop)
        finally:
            totals = producer.totals
    summarize(totals)
    return INTERRUPTED if signals.interrupted else 0


def summarize(totals: "Totals") -> None:
    """Say what was done, in one line."""
    parts = [f"{counted(totals.sent, 'quote')} sent"]
    if totals.kept_here:
        parts.append(f"{totals.stored:,} stored")
    if totals.repeated:
        parts.append(f"{totals.repeated:,} were there already")
    if totals.quarantined:
        parts.append(f"{totals.quarantined:,} quarantined")
    if totals.kept_here:
        parts.append(counted(totals.alerts, "alert"))
    say(", ".join(parts) + ("." if totals.kept_here else "; the pipeline goes on with them."))


class StopSignals:
    """SIGINT and SIGTERM as a wish to stop after the batch in hand; a second SIGINT stops at once."""

    def __init__(self) -> None:
        self.stop = Event()
        self.interrupted = False

    def handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signal module's form
        """Take one signal."""
        if self.stop.is_set():
            raise KeyboardInterrupt
        self.stop.set()
        self.interrupted = number == signal.SIGINT


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Handle signals as wishes to stop while the block runs."""
    signals = StopSignals()
    before = {number: signal.signal(number, signals.handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

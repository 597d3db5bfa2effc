"""stream: from a source into the pipeline."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from stockctl.cli.errors import FAILED, INTERRUPTED, handle_errors
from stockctl.cli.options import configuration, parse_symbols, settings_and_backend
from stockctl.cli.output.alerts import AlertLines
from stockctl.cli.output.tables import Format, Output
from stockctl.cli.output.terminal import pluralize, print_message
from stockctl.cli.run.progress import activity
from stockctl.cli.run.signals import ForcedStop, exit_code, reload_signal, stop_signals
from stockctl.errors import StockctlError
from stockctl.market.policy import MarketClosedPolicy
from stockctl.producer.outbox.paths import outbox_path

if TYPE_CHECKING:
    from stockctl.config.loading import Configuration
    from stockctl.sources.base import Source
    from stockctl.sources.market_hours import SupportsSymbolChanges

_log = logging.getLogger(__name__)


def symbol_reload(
    ctx: typer.Context, source: "Source", keep: Callable[[Sequence[str]], None], *, given: bool
) -> Callable[[], None]:
    """Return what reads the symbols again and hands them to ``source``, or says why they stay.

    Whoever shows symbols is told by ``keep``. With ``given`` the command line named them, and they stay.
    """
    from stockctl.sources.market_hours import find_symbol_changer

    changeable = find_symbol_changer(source)
    if changeable is None:
        return lambda: _log.info(
            "SIGHUP changes nothing: the source %s has no symbols to change.", source.name
        )
    if given:
        return lambda: _log.info("The symbols were given with --symbols, and stay as they are.")
    return _Reload(ctx, changeable, keep)


class _Reload:
    def __init__(
        self, ctx: typer.Context, source: "SupportsSymbolChanges", keep: Callable[[Sequence[str]], None]
    ) -> None:
        self._ctx = ctx
        self._source = source
        self._keep = keep
        self._known = configuration(ctx)

    def __call__(self) -> None:
        try:
            read = self._read()
        except StockctlError as error:
            _log.warning("The symbols stay as they are: %s", error.message)
            return
        if "symbols" in self._known.origins and "symbols" not in read.origins:
            # A file that is just being written anew may be empty.
            _log.warning("The symbols stay as they are: %s names none any more.", read.file)
            return
        self._known = read
        symbols = read.settings.symbols
        self._source.change_symbols(symbols)
        self._keep(symbols)
        _log.info("Read the configuration again: %s.", pluralize(len(symbols), "symbol"))

    def _read(self) -> "Configuration":
        """Return the configuration by the file that was read before, even if that has gone since."""
        return configuration(self._ctx, self._known.file)


if TYPE_CHECKING:
    from stockctl.backends.base import Backend
    from stockctl.cli.run.monitor import RunMonitor
    from stockctl.config.schema import Settings
    from stockctl.producer.producer import BufferedProducer, DirectProducer
    from stockctl.producer.stats import Totals
    from stockctl.sources.price_store import SqlitePriceStore


_STOPPED_AT_ONCE = "Stopped at once by a second signal"


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command("stream")(handle_errors(stream))


def stream(
    ctx: typer.Context,
    *,
    symbols: Annotated[
        str | None, typer.Option("--symbols", "-s", help="Such as AAPL,MSFT; a replay takes all without it.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="yahoo, yahoo-live, replay, simulate, ndjson, or one of another package."),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(
            "--file",
            "-f",
            help="(replay) CSV, NDJSON or Parquet, gz too; repeatable. (ndjson) One feed. - is stdin.",
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="(ndjson) At the end of the file wait for more.")
    ] = False,
    timezone: Annotated[
        str | None,
        typer.Option(help="(replay, ndjson) Zone of times without one.", show_default="America/New_York"),
    ] = None,
    interval: Annotated[
        float | None,
        typer.Option(
            min=1,
            help="(yahoo, yahoo-live) Seconds between polls.",
            show_default="30, or as configured",
        ),
    ] = None,
    when_closed: Annotated[
        MarketClosedPolicy | None,
        typer.Option(
            help="(live sources that follow hours) While the markets are closed.",
            show_default="wait, or as configured",
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="(yahoo) Poll once, then end.")] = False,
    speed: Annotated[
        float | None,
        typer.Option(min=0, help="(replay, simulate) Times real time; 0 is as fast as possible."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="(simulate) The same seed gives the same quotes.")] = None,
    start: Annotated[str | None, typer.Option(help="(simulate) When the market time begins.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Quotes at most; 0 means all.")] = 0,
    grace: Annotated[
        float, typer.Option(min=0, help="Seconds to deliver what waits, after the first Ctrl-C or SIGTERM.")
    ] = 10.0,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Serve Prometheus metrics on 127.0.0.1; 0 finds a free port."),
    ] = None,
    health_file: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="A file that is rewritten every 10 s as long as all is well, for a supervisor.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not write alerts as they happen.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Send quotes through the pipeline; alerts go to stdout as they happen, all else to stderr."""
    from stockctl.cli.run.monitor import MonitorOptions, RunMonitor
    from stockctl.monitoring.periodic import PeriodicJob
    from stockctl.sources.price_store import FLUSH_SECONDS, SqlitePriceStore
    from stockctl.sources.registry import SourceOptions, create_source

    settings, backend = settings_and_backend(ctx)
    options = SourceOptions(
        name=source,
        symbols=parse_symbols(symbols),
        files=file or (),
        follow=follow,
        timezone=timezone,
        interval=interval,
        when_closed=when_closed,
        once=once,
        speed=speed,
        seed=seed,
        start=start,
    )
    prices = SqlitePriceStore(outbox_path(settings))
    with activity() as tell:
        chosen = create_source(options, settings, tell, prices)
    if backend.prepare():
        print_message(f"Made a new home in {backend.location}.")
    wishes = MonitorOptions(metrics_port, health_file, None if chosen.repeatable else outbox_path(settings))
    jobs = [PeriodicJob(FLUSH_SECONDS, prices.flush)]
    monitor = RunMonitor(chosen, None if quiet else AlertLines(output), wishes, jobs)
    reload = symbol_reload(
        ctx, chosen, monitor.instrumentation.latest_quotes.retain, given=symbols is not None
    )
    code = _run(_RunOptions(settings, backend, prices, limit, grace, reload), monitor)
    if code:
        raise typer.Exit(code)


class _RunOptions(NamedTuple):
    """Where quotes go, by what they are judged, how many and how long, and what SIGHUP does."""

    settings: "Settings"
    backend: "Backend"
    prices: "SqlitePriceStore"
    limit: int
    grace: float
    reload: Callable[[], None]


def _run(way: _RunOptions, monitor: "RunMonitor") -> int:
    from stockctl.sources.base import source_status

    with (
        stop_signals() as signals,
        reload_signal(way.reload, signals),
        monitor.nonblocking_output(signals.stop.set),
        _producer(way, monitor) as producer,
    ):
        if not monitor.instrumentation.source.repeatable:
            signals.force_stop = partial(_stop_at_once, producer, monitor)
        try:
            with monitor.monitoring(producer):
                producer.run(signals.stop)
        except StockctlError:
            _print_drops(producer)
            _print_backlog(producer)
            raise
        except ForcedStop:
            print_message(f"{_STOPPED_AT_ONCE}.")
            _print_backlog(producer)
            raise
        summarize(producer.totals, source_status(monitor.instrumentation.source).left_out)
        _print_drops(producer)
        left = _print_backlog(producer)
    if signals.interrupted:
        return INTERRUPTED
    return FAILED if left and not signals.stop.is_set() else 0


def _stop_at_once(producer: "DirectProducer | BufferedProducer", monitor: "RunMonitor", number: int) -> None:
    """End the process, whatever it does; the outbox is made for that."""
    try:
        sent, waiting = pluralize(producer.totals.sent, "quote"), pluralize(producer.backlog.quotes, "quote")
        told = f"{sent} sent, {waiting} in the outbox {producer.backlog.path}, which the next run sends first"
        monitor.prepare_forced_stop(
            f"{_STOPPED_AT_ONCE}; what waits is in the outbox", f"{_STOPPED_AT_ONCE}: {told}."
        )
    finally:
        os._exit(exit_code(number))


@contextmanager
def _producer(way: _RunOptions, monitor: "RunMonitor") -> "Iterator[DirectProducer | BufferedProducer]":
    from stockctl.producer.outbox.queue import open_outbox
    from stockctl.producer.producer import BufferedProducer, DirectProducer

    source = monitor.instrumentation.source
    open_stream = monitor.instrumentation.instrument_stream(way.backend.stream)
    if source.repeatable:
        with open_stream() as stream:
            yield DirectProducer(source, stream, limit=way.limit, observe=monitor.observe, grace=way.grace)
        return
    settings = way.settings.stream
    path, size = outbox_path(way.settings), settings.outbox_mb << 20
    with open_outbox(path, limit=size, full=settings.outbox_full) as outbox, closing(way.prices):
        yield BufferedProducer(
            source, open_stream, outbox, limit=way.limit, observe=monitor.observe, grace=way.grace
        )


def _print_backlog(producer: "DirectProducer | BufferedProducer") -> int:
    """Say what was not delivered, and return how many quotes and unreadable records that is."""
    backlog = producer.backlog
    what = _quotes_and_rejections(backlog.quotes, backlog.rejections)
    if what and backlog.path is not None:
        sent = backlog.possibly_sent
        perhaps = f" {sent:,} of them may have arrived already." if sent else ""
        print_message(f"{what} in the outbox {backlog.path}: the next run sends what waits first.{perhaps}")
    elif what:
        print_message(f"{what} in hand not delivered: run it again, what has arrived counts once.")
    return backlog.waiting


def _print_drops(producer: "DirectProducer | BufferedProducer") -> None:
    backlog = producer.backlog
    if what := _quotes_and_rejections(backlog.dropped, backlog.dropped_rejections):
        print_message(f"{what} dropped for good, as the outbox was full (stream.outbox_full = drop-oldest).")


def _quotes_and_rejections(quotes: int, rejections: int) -> str:
    parts = [(quotes, "quote"), (rejections, "unreadable record")]
    return " and ".join(pluralize(count, noun) for count, noun in parts if count)


def summarize(totals: "Totals", left_out: int | None = None) -> None:
    """Say what was done, in one line; ``left_out`` is how many quotes the source itself left out."""
    parts = [f"{pluralize(totals.sent, 'quote')} sent"]
    # Before anything is sent nobody knows whether it is stored here.
    is_final = totals.is_final and totals.sent > 0
    passed_on = not totals.is_final and totals.sent > 0
    if is_final:
        parts.append(f"{totals.stored:,} stored")
    if totals.duplicates:
        parts.append(f"{totals.duplicates:,} were there already")
    if totals.quarantined:
        parts.append(f"{totals.quarantined:,} quarantined")
    if left_out:
        parts.append(f"{left_out:,} left out")
    if totals.possibly_duplicated:
        parts.append(f"{totals.possibly_duplicated:,} perhaps twice")
    if is_final:
        parts.append(pluralize(totals.alerts, "alert"))
    print_message(", ".join(parts) + ("; the pipeline goes on with them." if passed_on else "."))

"""Creates a source by its name: built in, or installed through an entry point."""

from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, NamedTuple

from stockctl.errors import SourceError, StockctlError, UsageError
from stockctl.market.errors import InvalidQuote
from stockctl.market.plausibility import PlausibilityChecker, PriceStore
from stockctl.market.rules import MarketClosedPolicy
from stockctl.sources.base import Source, SourceRequest, follows_market_hours

if TYPE_CHECKING:
    from stockctl.config.schema import Settings


GROUP = "stockctl.sources"
_REQUIRED_ATTRIBUTES = ("name", "expected", "repeatable", "ticks")


def installed_sources() -> dict[str, EntryPoint]:
    """Return the sources of other packages by name, without importing them."""
    return {entry_point.name: entry_point for entry_point in entry_points(group=GROUP)}


def create_installed(entry_point: EntryPoint, request: SourceRequest) -> Source:
    """Create the source of an entry point.

    Raises:
        SourceError: it cannot be imported, or does not create a source.
    """
    package = entry_point.dist.name if entry_point.dist else "its package"
    try:
        factory = entry_point.load()
    except (ImportError, AttributeError) as error:
        raise SourceError(
            f"The source {entry_point.name} cannot be loaded from {entry_point.value}: {error}.",
            f"Reinstall {package}, or ask its maintainers.",
        ) from error
    try:
        source: Source = factory(request)
    except (StockctlError, InvalidQuote):
        raise
    except Exception as error:  # code of others may raise anything
        raise SourceError(
            f"The source {entry_point.name} of {package} has failed: {type(error).__name__}: {error}.",
            f"This is not an error of stockctl; report it to the maintainers of {package}.",
        ) from error
    if missing := [name for name in _REQUIRED_ATTRIBUTES if not hasattr(source, name)]:
        raise SourceError(
            f"What {entry_point.value} creates is not a source: it has no {', no '.join(missing)}.",
            f"stockctl.sources.base defines a source; report this to the maintainers of {package}.",
        )
    return source


BUILT_IN = ("yahoo", "yahoo-live", "replay", "simulate", "ndjson")
"""The sources that come with stockctl."""
_SOURCES_WITH_OPTION = {
    "files": ("replay", "ndjson"),
    "timezone": ("replay", "ndjson"),
    "follow": ("ndjson",),
    "interval": ("yahoo", "yahoo-live"),
    "when_closed": ("yahoo", "yahoo-live"),
    "once": ("yahoo",),
    "speed": ("replay", "simulate"),
    "seed": ("simulate",),
    "start": ("simulate",),
}
_OPTIONS_OF_INSTALLED = ("files", "interval", "when_closed", "once")
"""The options of sources from other packages."""
_SIMULATED_SPEED = 60.0


class SourceOptions(NamedTuple):
    """The options of the command line; None (or empty, or False) if not given."""

    name: str | None = None
    symbols: Sequence[str] | None = None
    files: Sequence[str] = ()
    follow: bool = False
    timezone: str | None = None
    interval: float | None = None
    when_closed: MarketClosedPolicy | None = None
    once: bool = False
    speed: float | None = None
    seed: int | None = None
    start: str | None = None


def create_source(
    options: SourceOptions,
    settings: "Settings",
    on_progress: Callable[[str], None] | None = None,
    price_store: PriceStore | None = None,
) -> Source:
    """Create the source that options and settings name, ready to run; a replay has read its files.

    ``on_progress`` gets a short text about slow work now and then. Quotes of a live source are checked
    against the prices of earlier runs in ``price_store``, which is updated.

    Raises:
        UsageError: the name is unknown, an option belongs to another source, or a needed one is missing.
        SourceError: a file cannot be replayed.
    """
    name = _name(options, settings)
    if name not in BUILT_IN and name not in (others := installed_sources()):
        raise UsageError(
            f"The source {name!r} is unknown.", f"Choose one of {', '.join([*BUILT_IN, *others])}."
        )
    _check_options(options, name)
    if name not in BUILT_IN:
        source = _installed(name, options, settings)
        return _with_market_hours(
            _with_validation(source, price_store), options, settings, follows=follows_market_hours(source)
        )
    if name == "replay":
        return _replay(options, on_progress)
    if name == "simulate":
        return _simulate(options, settings)
    if name == "ndjson":
        return _with_validation(_ndjson(options), price_store)
    return _with_market_hours(_yahoo(name, options, settings, price_store), options, settings, follows=True)


def _name(options: SourceOptions, settings: "Settings") -> str:
    if options.name is not None:
        return options.name
    if options.files:
        return "ndjson" if options.follow or settings.source.name == "ndjson" else "replay"
    return settings.source.name


def _installed(name: str, options: SourceOptions, settings: "Settings") -> Source:
    request = SourceRequest(
        options.symbols or settings.symbols,
        options.interval or settings.source.interval,
        options.once,
        options.files,
        settings.source.options,
    )
    return create_installed(installed_sources()[name], request)


def _check_options(options: SourceOptions, name: str) -> None:
    for field, sources in _SOURCES_WITH_OPTION.items():
        if name not in BUILT_IN and field in _OPTIONS_OF_INSTALLED:
            continue
        given = getattr(options, field)
        if given is not None and given is not False and given != () and name not in sources:
            flag = "--file" if field == "files" else f"--{field.replace('_', '-')}"
            raise UsageError(f"{flag} is for --source {' or '.join(sources)}, not for {name}.")


def _replay(options: SourceOptions, on_progress: Callable[[str], None] | None) -> Source:
    from stockctl.market.timestamp import NEW_YORK
    from stockctl.sources.replay.source import ReplaySource

    if not options.files:
        raise UsageError("A replay needs a file.", "Example: stockctl stream --file quotes.csv")
    source = ReplaySource(
        options.files,
        symbols=options.symbols,
        timezone=options.timezone or NEW_YORK,
        speed=options.speed or 0.0,
        on_progress=on_progress,
    )
    source.prepare()
    return source


def _ndjson(options: SourceOptions) -> Source:
    from stockctl.market.timestamp import NEW_YORK
    from stockctl.sources.ndjson import NdjsonSource

    if len(options.files) != 1:
        raise UsageError(
            "The source ndjson reads one feed.", "Example: my-feed | stockctl stream --source ndjson --file -"
        )
    return NdjsonSource(
        options.files[0],
        follow=options.follow,
        symbols=options.symbols,
        timezone=options.timezone or NEW_YORK,
    )


def _simulate(options: SourceOptions, settings: "Settings") -> Source:
    from stockctl.market.errors import InvalidQuote
    from stockctl.market.timestamp import parse_timestamp
    from stockctl.sources.simulate import DEFAULT_START, SimulateSource

    try:
        start = parse_timestamp(options.start, "--start") if options.start else DEFAULT_START
    except InvalidQuote as reason:
        raise UsageError(f"{reason}.") from None
    return SimulateSource(
        options.symbols or settings.symbols,
        seed=1 if options.seed is None else options.seed,
        start=start,
        speed=_SIMULATED_SPEED if options.speed is None else options.speed,
    )


def _yahoo(name: str, options: SourceOptions, settings: "Settings", price_store: PriceStore | None) -> Source:
    from stockctl.sources.yahoo.rate_limit import RateLimiter
    from stockctl.sources.yahoo.source import YahooSource

    symbols = options.symbols or settings.symbols
    interval = options.interval or settings.source.interval
    limiter = RateLimiter(settings.source.requests_per_minute)
    plausibility = PlausibilityChecker(store=price_store)
    if name == "yahoo-live":
        from stockctl.sources.yahoo_stream.source import YahooStreamSource

        return YahooStreamSource(symbols, interval=interval, limiter=limiter, plausibility=plausibility)
    return YahooSource(
        symbols,
        interval=interval,
        once=options.once,
        parallel=settings.source.parallel,
        limiter=limiter,
        plausibility=plausibility,
    )


def _with_validation(source: Source, price_store: PriceStore | None) -> Source:
    """Check the plausibility of the quotes of a live source."""
    if source.repeatable:
        return source
    from stockctl.sources.plausibility import ValidatedSource

    return ValidatedSource(source, PlausibilityChecker(store=price_store))


def _with_market_hours(
    source: Source, options: SourceOptions, settings: "Settings", *, follows: bool
) -> Source:
    """Pause a source while its markets are closed, if it follows market hours."""
    if not follows:
        if options.when_closed is not None:
            raise UsageError(
                f"--when-closed is for sources that follow market hours; {source.name} does not."
            )
        return source
    policy = options.when_closed or settings.source.when_closed
    if options.once or policy is MarketClosedPolicy.CONTINUE:
        return source
    from stockctl.sources.market_hours import MarketHoursSource

    return MarketHoursSource(source, options.symbols or settings.symbols, policy)

"""From options and settings to a source."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from stockctl.errors import UsageError
from stockctl.sources.base import Source

if TYPE_CHECKING:
    from stockctl.config import Settings

NAMES = ("yahoo", "replay", "simulate")
_BELONGS_TO = {
    "files": ("replay",),
    "timezone": ("replay",),
    "interval": ("yahoo",),
    "once": ("yahoo",),
    "speed": ("replay", "simulate"),
    "seed": ("simulate",),
    "start": ("simulate",),
}
_SIMULATED_SPEED = 60.0


class SourceOptions(NamedTuple):
    """What a user asks for; None (or empty, or False) where nothing was said."""

    name: str | None = None
    symbols: Sequence[str] | None = None
    files: Sequence[str] = ()
    timezone: str | None = None
    interval: float | None = None
    once: bool = False
    speed: float | None = None
    seed: int | None = None
    start: str | None = None


def choose_source(
    options: SourceOptions, settings: "Settings", on_progress: Callable[[str], None] | None = None
) -> Source:
    """Return the source that options and settings name, ready to run; a replay has read its files.

    ``on_progress`` is told in a few words, now and then, what takes time.

    Raises:
        UsageError: the name is unknown, an option belongs to another source, or a needed one is missing.
        SourceError: a file cannot be replayed.
    """
    name = options.name or ("replay" if options.files else settings.source.name)
    if name not in NAMES:
        raise UsageError(f"--source {name!r} is unknown.", f"Choose one of {', '.join(NAMES)}.")
    _refuse_foreign(options, name)
    if name == "replay":
        return _replay(options, on_progress)
    if name == "simulate":
        return _simulate(options, settings)
    return _yahoo(options, settings)


def _refuse_foreign(options: SourceOptions, name: str) -> None:
    for field, sources in _BELONGS_TO.items():
        given = getattr(options, field)
        if given is not None and given is not False and given != () and name not in sources:
            flag = "--file" if field == "files" else f"--{field}"
            raise UsageError(f"{flag} is for --source {' or '.join(sources)}, not for {name}.")


def _replay(options: SourceOptions, on_progress: Callable[[str], None] | None) -> Source:
    from stockctl.market.timestamp import NEW_YORK
    from stockctl.sources.replay import ReplaySource

    if not options.files:
        raise UsageError("A replay needs a file.", "Such as: stockctl stream --file quotes.csv")
    source = ReplaySource(
        options.files,
        symbols=options.symbols,
        timezone=options.timezone or NEW_YORK,
        speed=options.speed or 0.0,
        on_progress=on_progress,
    )
    source.prepare()
    return source


def _simulate(options: SourceOptions, settings: "Settings") -> Source:
    from stockctl.market.refusal import Refusal
    from stockctl.market.timestamp import parse_timestamp
    from stockctl.sources.simulate import DEFAULT_START, SimulateSource

    try:
        start = parse_timestamp(options.start, "--start") if options.start else DEFAULT_START
    except Refusal as reason:
        raise UsageError(f"{reason}.") from None
    return SimulateSource(
        options.symbols or settings.symbols,
        seed=1 if options.seed is None else options.seed,
        start=start,
        speed=_SIMULATED_SPEED if options.speed is None else options.speed,
    )


def _yahoo(options: SourceOptions, settings: "Settings") -> Source:
    from stockctl.sources.yahoo import YahooSource

    return YahooSource(
        options.symbols or settings.symbols,
        interval=options.interval or settings.source.interval,
        once=options.once,
    )

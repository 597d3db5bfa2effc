"""Sources of other packages, found by their entry points."""

from importlib.metadata import EntryPoint, entry_points

from stockctl.errors import SourceError, StockctlError
from stockctl.market.refusal import Refusal
from stockctl.sources.base import Source, SourceRequest

GROUP = "stockctl.sources"
_PARTS = ("name", "expected", "repeatable", "ticks")


def installed() -> dict[str, EntryPoint]:
    """Return the sources of other packages, by name; nothing of them is imported."""
    return {found.name: found for found in entry_points(group=GROUP)}


def make_installed(found: EntryPoint, request: SourceRequest) -> Source:
    """Return the source that an entry point makes.

    Raises:
        SourceError: it cannot be imported, or does not make what a source is.
    """
    package = found.dist.name if found.dist else "its package"
    try:
        factory = found.load()
    except (ImportError, AttributeError) as error:
        raise SourceError(
            f"The source {found.name} cannot be loaded from {found.value}: {error}.",
            f"Install {package} again, or ask whoever maintains it.",
        ) from error
    try:
        source: Source = factory(request)
    except (StockctlError, Refusal):
        raise
    except Exception as error:  # foreign code may fail with anything
        raise SourceError(
            f"The source {found.name} of {package} has failed: {type(error).__name__}: {error}.",
            f"Nothing is wrong with stockctl; tell whoever maintains {package}.",
        ) from error
    if missing := [part for part in _PARTS if not hasattr(source, part)]:
        raise SourceError(
            f"What {found.value} makes is no source: it has no {', no '.join(missing)}.",
            f"stockctl.sources.base tells what a source has; tell whoever maintains {package}.",
        )
    return source

"""The former name of ``stockctl.sources.testing``, kept for packages that import it."""

from stockctl.sources.testing import SourceContract

__all__ = ["SourceContract"]

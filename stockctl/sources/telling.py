"""The former names of what a source reports about itself, kept for packages that import them."""

from stockctl.sources.base import ReportsStatus as Telling
from stockctl.sources.base import SourceStatus as Told
from stockctl.sources.base import source_status as told_by

__all__ = ["Telling", "Told", "told_by"]

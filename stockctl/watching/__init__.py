"""What a running producer shows of itself: figures, state, health; nothing here draws or parses."""

from stockctl.watching.board import Board, Line
from stockctl.watching.conditions import Change, Condition
from stockctl.watching.figures import Figures
from stockctl.watching.watch import Watch

__all__ = ["Board", "Change", "Condition", "Figures", "Line", "Watch"]

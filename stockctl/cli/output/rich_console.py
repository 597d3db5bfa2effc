"""The rich console. It has its own module because rich is slow to import and few commands need it."""

from rich.console import Console as RichConsole


class Console(RichConsole):
    """A console that raises an error when a pipe is closed; rich's own console would exit the program."""

    def on_broken_pipe(self) -> None:
        """Re-raise the ``BrokenPipeError`` that is being handled."""
        raise

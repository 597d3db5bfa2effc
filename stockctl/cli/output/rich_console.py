"""The rich console, in a module of its own: rich takes long to import, and few commands draw with it."""

from rich.console import Console as RichConsole


class Console(RichConsole):
    """A console that tells its caller when a pipe is closed; rich's own would end the program."""

    def on_broken_pipe(self) -> None:
        """Re-raise the ``BrokenPipeError`` that is being handled."""
        raise

"""The console that everything is printed on."""

from rich.console import Console as RichConsole


class Console(RichConsole):
    """A console that lets its caller know when nobody reads any more; rich's own would end the program."""

    def on_broken_pipe(self) -> None:
        """Let the ``BrokenPipeError`` that is being handled go on."""
        raise

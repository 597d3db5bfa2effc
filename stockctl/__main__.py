"""Let ``python -m stockctl`` do what the installed command does."""

from stockctl.cli.main import run

run()

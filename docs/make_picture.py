"""Write docs/terminal.svg: what the real program prints on a terminal, as a picture.

    python docs/make_picture.py

The commands run on a pseudo-terminal of a fixed width, with a temporary home folder, on the quotes that come
with stockctl.
"""

import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
from collections import defaultdict
from html import unescape
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

PICTURE = Path(__file__).parent / "terminal.svg"
WIDTH = 112
HEIGHT = 50
COMMANDS = (
    "stockctl stream --file stockctl/demo/daily_2008_2009.csv --symbols MSFT --limit 65",
    "stockctl query history MSFT --limit 5",
    'stockctl query sql "SELECT min(price) AS low, max(price) AS high FROM stock_data_table"',
)

_REPOSITORY = Path(__file__).resolve().parents[1]
_FONT_FACE = re.compile(r"@font-face \{.*?\}\n", re.DOTALL)
_PART = re.compile(r"\n|\r|\x1b\[\d+A|\x1b\[2K|\x1b\[\?25[lh]|(?:(?!\x1b\[(?:\d+A|2K|\?))[^\n\r])+")
_UP = re.compile(r"\x1b\[(\d+)A")
_LINE = re.compile(r'clip-path="url\(#stockctl-line-(\d+)\)">(.*?)</text>')


def record() -> Text:
    """Run the commands and return what a person sees on the terminal."""
    with tempfile.TemporaryDirectory() as home:
        parts = []
        for command in COMMANDS:
            prompt = Text.assemble(("$", "bold green"), " ", (command, "bold"))
            parts += [prompt, _output(command, home), Text()]
    return Text("\n").join(parts[:-1])


def _output(command: str, home: str) -> Text:
    reader, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": home,
        "TZ": "UTC",
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
    }
    child = subprocess.Popen(  # noqa: S603 - the commands stand above
        [sys.executable, "-m", *shlex.split(command)],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
        cwd=_REPOSITORY,
    )
    os.close(terminal)
    data = b""
    with open(reader, "rb", buffering=0) as stream:
        try:
            while chunk := stream.read(65_536):
                data += chunk
        except OSError:  # the end of a pseudo-terminal on Linux
            pass
    if code := child.wait():
        raise SystemExit(f"{command} ends with {code}:\n{data.decode()}")
    return Text.from_ansi(_last_state(data.decode().replace(home, "~")))


def _last_state(text: str) -> str:
    """Return the lines as they stand at the end, without what a progress bar has drawn and erased."""
    rows, row, fresh = [""], 0, False
    for part in _PART.findall(text):
        if part == "\n":
            row, fresh = row + 1, True
            rows += [""] * (row + 1 - len(rows))
        elif part == "\r":
            fresh = True
        elif up := _UP.fullmatch(part):
            row -= int(up[1])
        elif part == "\x1b[2K":
            rows[row] = ""
        elif not part.startswith("\x1b[?"):
            rows[row] = part if fresh else rows[row] + part
            fresh = False
    return "\n".join(rows).strip("\n")


def draw(text: Text) -> str:
    """Return the text as an SVG that loads nothing from another host."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(
            record=True, width=WIDTH, file=nowhere, force_terminal=True, color_system="truecolor"
        )
        console.print(text, no_wrap=True, crop=False)
        svg = console.export_svg(title="stockctl", theme=MONOKAI, unique_id="stockctl")
    return _FONT_FACE.sub("", svg).replace("Fira Code, ", "")


def lines_of(svg: str) -> list[str]:
    """Return the text lines of a picture."""
    found: dict[int, str] = defaultdict(str)
    for number, text in _LINE.findall(svg):
        found[int(number)] += unescape(text).replace("\xa0", " ")
    return [found[number].rstrip() for number in range(max(found, default=-1) + 1)]


if __name__ == "__main__":
    PICTURE.write_text(draw(record()), "utf-8")

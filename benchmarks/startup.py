"""How long commands take to start, beside ``sqlite-utils --help``: CPU seconds of whole processes, in pairs.

    python benchmarks/startup.py SQLITE_UTILS [RUNS]

SQLITE_UTILS is the program of an installed sqlite-utils, in an environment of its own. Each command runs in
turn with it, so that a change in the machine's speed meets both; the ratios are of such pairs.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

STOCKCTL = str(Path(sys.executable).with_name("stockctl"))
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "--version": ("--version",),
    "--help": ("--help",),
    "stream --help": ("stream", "--help"),
    "completion": (),
    "status": ("status",),
    "query latest": ("query", "latest"),
    "query latest, with a file": ("-c", "other.toml", "query", "latest"),
}
COMPLETION = {"_STOCKCTL_COMPLETE": "complete_bash", "COMP_WORDS": "stockctl al", "COMP_CWORD": "1"}
FILE = 'symbols = ["AAPL"]\n[indicators]\nshort = 5\nlong = 20\n'


def cpu_seconds(command: Sequence[str], environment: Mapping[str, str], folder: str) -> float:
    """Run to the end and return the CPU time, of the user and of the system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command, env=environment, cwd=folder, check=True, stdin=subprocess.DEVNULL, capture_output=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main(sqlite_utils: str, runs: int = 15) -> None:
    """Print a line for each command: its median, that of sqlite-utils, and the median of the ratios."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STOCKCTL_")}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "other.toml").write_text(FILE)
        environment |= {"HOME": folder, "XDG_DATA_HOME": folder}
        subprocess.run([STOCKCTL, "provision"], env=environment, cwd=folder, check=True, capture_output=True)
        print(f"{'stockctl ...':27} {'ms':>6} {'sqlite-utils --help':>20} {'ratio':>6}")
        for name, arguments in COMMANDS.items():
            ours = {**environment, **(COMPLETION if name == "completion" else {})}
            pairs = [
                (
                    cpu_seconds([STOCKCTL, *arguments], ours, folder),
                    cpu_seconds([sqlite_utils, "--help"], environment, folder),
                )
                for _ in range(runs + 1)
            ][1:]
            mine, theirs = (statistics.median(times) * 1000 for times in zip(*pairs, strict=True))
            ratio = statistics.median(own / other for own, other in pairs)
            print(f"{name:27} {mine:6.0f} {theirs:20.0f} {ratio:6.2f}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]))

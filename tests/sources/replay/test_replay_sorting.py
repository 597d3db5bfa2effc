"""The external merge sort of lines."""

from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockctl.sources.base import SourceStopped
from stockctl.sources.replay.staging import LineSorter
from support.quote_strategies import examples

_LINES = st.lists(st.text("ab\t0", max_size=3).map(lambda text: text + "\n"), max_size=60)


@given(_LINES, st.integers(1, 7), st.integers(2, 3))
@examples(60)
def test_all_lines_come_in_order(lines: list[str], run_lines: int, fan_in: int):
    """Whatever fits into memory, and however often files are merged."""
    with TemporaryDirectory() as folder:
        sorter = LineSorter(Path(folder), Event(), run_lines=run_lines, fan_in=fan_in)
        for line in lines:
            sorter.add(line)
        assert list(sorter.lines()) == sorted(lines)


@pytest.mark.slow
def test_few_files_are_kept(tmp_path: Path):
    """A thousand parts need less than twenty files; merged ones are removed."""
    sorter = LineSorter(tmp_path, Event(), run_lines=1, fan_in=4)
    most = 0
    for number in range(1000):
        sorter.add(f"{number % 7}\n")
        most = max(most, len(list(tmp_path.iterdir())))
    assert most < 20
    assert list(sorter.lines()) == sorted(f"{number % 7}\n" for number in range(1000))


def test_a_stop_ends_the_sorting(tmp_path: Path):
    """At the next file, even while files are merged."""
    stop = Event()
    sorter = LineSorter(tmp_path, stop, run_lines=2)
    sorter.add("b\n")
    stop.set()
    with pytest.raises(SourceStopped):
        sorter.add("a\n")

"""What a script writes into the docs is current."""

import sys
from pathlib import Path

import pytest
from console_output import masked

from support.paths import REPOSITORY

sys.path.append(str(REPOSITORY / "docs"))

import make_picture
import make_reference


@pytest.mark.parametrize(
    ("page", "text"), [pytest.param(*each, id=each[0].name) for each in make_reference.pages()]
)
def test_a_generated_table_is_current(page: Path, text: str) -> None:
    """Keys of the configuration, and metrics."""
    if page.read_text("utf-8") != text:
        pytest.fail(f"docs/{page.name} is out of date: run python docs/make_reference.py")


def test_the_picture_shows_what_the_program_prints() -> None:
    """Line by line, ages aside."""
    shown = make_picture.lines_of(make_picture.PICTURE.read_text("utf-8"))
    printed = make_picture.lines_of(make_picture.draw(make_picture.record()))
    if [masked(line) for line in shown] != [masked(line) for line in printed]:
        now = "\n".join(printed)
        pytest.fail(f"docs/terminal.svg is out of date: run python docs/make_picture.py\n{now}")

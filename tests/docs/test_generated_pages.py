"""What a script writes into the docs is current."""

import sys

import pytest
from console_output import masked

from support.paths import REPOSITORY

sys.path.append(str(REPOSITORY / "docs"))

import make_picture
import make_reference

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", make_reference.PAGES)
def test_a_generated_part_is_current(name: str) -> None:
    """Keys of the configuration, metrics, and the modules that a quote and a key pass."""
    page = REPOSITORY / "docs" / name
    if page.read_text("utf-8") != make_reference.current(page):
        pytest.fail(f"docs/{name} is out of date: run python docs/make_reference.py")


def test_the_picture_shows_what_the_program_prints() -> None:
    """Line by line, ages aside."""
    shown = make_picture.lines_of(make_picture.PICTURE.read_text("utf-8"))
    printed = make_picture.lines_of(make_picture.draw(make_picture.record()))
    if [masked(line) for line in shown] != [masked(line) for line in printed]:
        now = "\n".join(printed)
        pytest.fail(f"docs/terminal.svg is out of date: run python docs/make_picture.py\n{now}")

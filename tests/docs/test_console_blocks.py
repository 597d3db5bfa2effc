"""Each ``console`` block of README and docs shows what its commands really print.

After a change of messages, rewrite the blocks from the real output and look at the difference::

    REFRESH_DOCS=1 pytest tests/docs/test_console_blocks.py
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from console_blocks import PAGES, Block, Command, blocks_of, rewrite
from console_output import line_matches, output_matches, refresh
from console_shell import Shell

from support.aws.ministack_server import MiniStack, ministack, new_account, stop_polling
from support.paths import REPOSITORY
from support.yahoo.server import YahooStandIn, good, quotes

pytestmark = pytest.mark.slow

__all__ = ["ministack"]  # a fixture

RETRY_SECONDS = 30.0
REFRESH = bool(os.environ.get("REFRESH_DOCS"))
STARTS = {"new", "yahoo", "aws"}
WORDS = STARTS | {"retry"}
ACCOUNT = "123456789012"
"""How the pages write the number of an AWS account."""
YAHOO_VARIABLES = ("HTTPS_PROXY", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")


class Session(NamedTuple):
    """The blocks of a page that share a shell, by their number in the page."""

    page: Path
    needs: str
    blocks: dict[int, Block]


def sessions() -> Iterator[Session]:
    """Yield what is to be run, page by page."""
    for page in PAGES:
        session: Session | None = None
        for number, block in enumerate(blocks_of(page.read_text("utf-8"))):
            if block.language != "console":
                continue
            start = next(iter(block.words & STARTS), "")
            if session is None or start:
                if session is not None:
                    yield session
                session = Session(page, start, {})
            session.blocks[number] = block
        if session is not None:
            yield session


def _parameter(session: Session) -> object:
    line = next(iter(session.blocks.values())).start
    name = f"{session.page.relative_to(REPOSITORY)}:{line}"
    return pytest.param(session, id=name)


@pytest.fixture
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """What a session needs beside the command line."""
    session: Session = request.getfixturevalue("session")
    if session.needs == "yahoo":
        with YahooStandIn() as standin:
            for symbols in ("AAPL", "MSFT", "AAPL,MSFT"):
                standin.script(symbols, quotes(*(good(symbol) for symbol in symbols.split(","))))
            given = standin.environment(tmp_path)
            yield {name: given[name] for name in YAHOO_VARIABLES}
    elif session.needs == "aws":
        cloud: MiniStack = request.getfixturevalue("ministack")
        account = new_account()
        yield cloud.environment(account)
        stop_polling(cloud, account)
    else:
        yield {}


@pytest.mark.parametrize("session", [_parameter(session) for session in sessions()])
def test_the_output_is_what_the_page_shows(
    session: Session, environment: dict[str, str], tmp_path: Path
) -> None:
    """Each command of the session, in the order of the page."""
    outputs: dict[int, list[list[str]]] = {}
    account = {environment["AWS_ACCESS_KEY_ID"]: ACCOUNT} if session.needs == "aws" else {}
    with Shell(tmp_path / "you", environment, account) as shell:
        for number, block in session.blocks.items():
            outputs[number] = [run(shell, session.page, block, command) for command in block.commands]
    if REFRESH:
        rewrite(session.page, outputs)


def run(shell: Shell, page: Path, block: Block, command: Command) -> list[str]:
    """Run a command and compare; return its output."""
    deadline = time.monotonic() + RETRY_SECONDS
    while True:
        output, code = shell.run(command.text)
        matches = code == command.exit_code and output_matches(command.output, output)
        if matches or "retry" not in block.words or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    place = f"{page.relative_to(REPOSITORY)}:{block.start + 1}"
    shown = "\n".join(output)
    if code != command.exit_code:
        pytest.fail(f"{place}: $ {command.text}\nends with {code} and prints:\n{shown}", pytrace=False)
    if not matches and not REFRESH:
        expected = "\n".join(command.output)
        pytest.fail(
            f"{place}: $ {command.text}\n--- the page shows:\n{expected}\n--- it prints:\n{shown}\n"
            "--- To rewrite the blocks: REFRESH_DOCS=1 pytest tests/docs/test_console_blocks.py",
            pytrace=False,
        )
    return output


def test_each_word_before_a_block_is_known() -> None:
    """A misspelt one would do nothing."""
    for page in PAGES:
        for block in blocks_of(page.read_text("utf-8")):
            unknown = {word for word in block.words if not word.startswith("exit-")} - WORDS
            assert not unknown, (page, block.start, unknown)
            assert not block.words or block.language == "console", (page, block.start)


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        (["a", "b"], ["a", "b"], True),
        (["a"], ["a", "b"], False),
        (["a", "b"], ["a"], False),
        (["..."], [], True),
        (["a", "...", "d"], ["a", "b", "c", "d"], True),
        (["a", "...", "d"], ["a", "b", "c"], False),
        (["a", "...", "c", "..."], ["a", "c", "b", "c", "d"], True),
        (["...", "c"], ["c", "b", "c"], True),
        (["made in ... now"], ["made in /x now"], True),
        (["made in ... now"], ["made in /x then"], False),
        (["2026-11-30 10:00  5s  x"], ["2027-01-02 11:12   17m  x"], True),
        (["2008-10-07 20:00 x"], ["2008-10-08 20:00 x"], False),
    ],
)
def test_what_counts_as_the_same_output(expected: list[str], actual: list[str], same: bool) -> None:
    """Dots stand for any text, what differs with each run for its kind, all else for itself."""
    assert output_matches(expected, actual) is same


@pytest.mark.parametrize(
    ("expected", "actual", "fresh"),
    [
        (["a", "...", "756 quotes sent, stored"], ["a", "b", "756 quotes sent, 756 stored"],
         ["a", "...", "756 quotes sent, 756 stored"]),
        (["Made a new home in ..."], ["Created a new home in /x"], ["Created a new home in ..."]),
        (["one two three", "four five six"], ["one two 3", "new", "four five six"],
         ["one two 3", "new", "four five six"]),
        ([], ["first"], ["first"]),
        (["gone for good"], [], []),
    ],
)  # fmt: skip
def test_refreshing_keeps_what_was_left_out(expected: list[str], actual: list[str], fresh: list[str]) -> None:
    """And shows all else as it is now."""
    assert refresh(expected, actual) == fresh
    assert output_matches(fresh, actual)


def test_a_page_is_rewritten_in_place(tmp_path: Path) -> None:
    """Only the output of the block changes."""
    page = tmp_path / "page.md"
    page.write_text("Words.\n\n```console\n$ one\nold\n```\n\nMore.\n\n```sh\n$ two\n```\n")
    rewrite(page, {0: [["new"]]})
    assert page.read_text() == "Words.\n\n```console\n$ one\nnew\n```\n\nMore.\n\n```sh\n$ two\n```\n"


def test_a_changed_number_is_noticed() -> None:
    """A line is compared to its last digit."""
    assert not line_matches("756 quotes sent, 756 stored.", "756 quotes sent, 755 stored.")

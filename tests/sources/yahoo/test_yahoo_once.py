"""Polling once with the real yfinance in a child process, and the messages for the user."""

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from stockctl.sources.yahoo.poller import split_symbols
from support.paths import REPOSITORY, TESTS
from support.yahoo.polling_run import CHILD, Run, once, run
from support.yahoo.server import EMPTY, YahooStandIn, good, quotes, raw, status

pytest_plugins = ["support.yahoo.fixtures"]

pytestmark = pytest.mark.slow

MANY = [f"ONE{number}" for number in range(1000)]
HALVES = [",".join(symbols) for symbols in split_symbols(MANY)]

SCENARIOS = {
    "once by halves": once(",".join(MANY)),
    "once": once("M,NOPE", quotes(good("M"))),
    "once recovers": once("N", *[status(502)] * 2, quotes(good("N"))),
    "once limited": once("O", status(429)),
    "once refused": once("P", status(403)),
    "once server": once("Q", status(502)),
    "once unknown": once("R,S", EMPTY),
    "once malformed": once("T", raw(b"<html>")),
    "once unusable": once("U,V,W", quotes(good("U", float("nan")), good("V", regularMarketTime=None))),
}


@pytest.fixture(scope="module")
def polling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """All scenarios, run in one child."""
    folder = tmp_path_factory.mktemp("yahoo")
    with YahooStandIn() as standin:
        for scenario in SCENARIOS.values():
            standin.script(scenario.symbols, *scenario.replies)
        standin.script(HALVES[0], quotes(good("ONE0"), good("ONE1", 0)))
        standin.script(HALVES[1], status(502))
        yield run(standin, standin.environment(folder), SCENARIOS, folder)


def test_once_polls_once(polling: Run) -> None:
    """It ends by itself, with the quotes found; a missing symbol is a warning."""
    outcome = polling.outcomes["once"]
    assert outcome.error is None
    assert outcome.times == ["08:53:20"]
    assert len(outcome.polls) == 1
    assert outcome.said("INFO")[0] == "Asking Yahoo for M, NOPE once, in one request."
    assert outcome.said("WARNING")[0].startswith("Yahoo has no quote for NOPE")


def test_once_tries_again_before_it_gives_up(polling: Run) -> None:
    """A temporary error is no reason to fail."""
    outcome = polling.outcomes["once recovers"]
    assert (outcome.error, outcome.times) == (None, ["08:53:20"])


def test_once_takes_what_there_is_and_admits_what_is_not(polling: Run) -> None:
    """A partial answer is not a failure, but it is reported."""
    outcome = polling.outcomes["once by halves"]
    assert outcome.error is None
    [[rejection, quote]] = outcome.ticks
    assert (rejection[0], quote["symbol"]) == ("yahoo:ONE1", "ONE0")
    assert outcome.said("WARNING")[-1].startswith("Yahoo's server failed (HTTP 502).")
    assert outcome.said("WARNING")[-1].endswith("The other symbols could not be read.")


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("once limited", "Yahoo limits this address: too many requests (HTTP 429).", "poll less often"),
        ("once refused", "Yahoo refuses the request (HTTP 403).", "finance.yahoo.com opens in a browser"),
        ("once server", "Yahoo's server failed (HTTP 502).", "again in some minutes"),
        ("once unknown", "Yahoo answers, but has no quote for R, S.", "Check the spelling"),
        ("once malformed", "Yahoo's answer cannot be understood: it is not JSON", "update yfinance"),
    ],
)
def test_once_without_an_answer_says_why_and_what_to_do(
    polling: Run, name: str, message: str, hint: str
) -> None:
    """After three tries; limited, refused, failed, unknown and malformed are five different things."""
    outcome = polling.outcomes[name]
    assert outcome.error is not None
    assert outcome.error[0].startswith(message)
    assert hint in outcome.error[1]
    assert outcome.ticks == []
    assert sum("Next try in" in text for text in outcome.said("WARNING")) == 2


def test_once_with_no_price_to_use_says_so_of_each_symbol(polling: Run) -> None:
    """Rejections are quarantined first, then the reasons are reported; there is no retry."""
    outcome = polling.outcomes["once unusable"]
    assert outcome.error is not None
    assert outcome.error[0] == (
        "Yahoo answers, but no price can be used: U (price NaN is not a finite number below 10**15), "
        "V (without a market time), W (unknown to Yahoo)."
    )
    assert [[origin for origin, _, _ in tick] for tick in outcome.ticks] == [["yahoo:U"]]
    assert len(outcome.polls) == 1


def test_a_limit_at_the_crumb_is_a_limit(yahoo: YahooStandIn, yahoo_environment, tmp_path: Path) -> None:
    """Without a crumb the answer is 401; the reason is still that there were too many requests."""
    yahoo.crumb = status(429)
    yahoo.script("Z", quotes(good("Z")))
    outcome = run(yahoo, yahoo_environment, {"limited": once("Z", EMPTY)}, tmp_path).outcomes["limited"]
    assert outcome.error is not None
    assert outcome.error[0].startswith("Yahoo limits this address: too many requests (HTTP 429).")


@pytest.fixture
def nobody() -> Iterator[str]:
    """The address of a proxy that refuses connections: its port is bound, but not open."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize(
    ("without_curl", "reason"), [("0", "Could not connect to server"), ("1", "Unable to connect to proxy")]
)
def test_without_a_network_it_says_so(
    yahoo: YahooStandIn, yahoo_environment, tmp_path: Path, nobody: str, without_curl: str, reason: str
) -> None:
    """No connection is neither a limit nor an unknown symbol; with curl_cffi and without."""
    environment = {**yahoo_environment, "HTTPS_PROXY": nobody, "YF_DISABLE_CURL_CFFI": without_curl}
    found = run(yahoo, environment, {"gone": once("AAPL")}, tmp_path)
    outcome = found.outcomes["gone"]
    assert outcome.error is not None
    assert outcome.error[0].startswith("Yahoo cannot be reached: the proxy refuses the connection (")
    assert reason in outcome.error[0]
    assert "nothing is known about the symbols" in outcome.error[0]
    assert "HTTPS_PROXY" in outcome.error[1]
    assert found.requests == []


@pytest.mark.parametrize(
    ("package", "message", "hint"),
    [
        (
            {"__init__.py": "import of_no_use"},
            "yfinance cannot be loaded: No module named 'of_no_use'.",
            "Install it",
        ),
        (
            {
                "__init__.py": "__version__ = '3.0'",
                "data.py": "class YfData: ...",
                "exceptions.py": "class YFException(Exception): ...",
            },
            "yfinance 3.0 has no YfData.get_raw_json",
            "'yfinance>=1.0,<2'",
        ),
    ],
)
def test_an_unfit_yfinance_is_named(tmp_path: Path, package: dict[str, str], message: str, hint: str) -> None:
    """A broken installation, and a future release that took the request away."""
    folder = tmp_path / "yfinance"
    folder.mkdir()
    for name, text in package.items():
        (folder / name).write_text(text)
    child = subprocess.run(
        CHILD,
        input=json.dumps([{"name": "unfit", "symbols": "AAPL", "once": True}]),
        env={"PYTHONPATH": f"{tmp_path}:{REPOSITORY}:{TESTS}", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    error = json.loads(child.stdout)["unfit"]["error"]
    assert error[0].startswith(message)
    assert hint in error[1]

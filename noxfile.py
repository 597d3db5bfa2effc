"""Tasks: ``nox -s test``, ``nox -s lint``, ``nox -s docs``, ``nox -s refresh``. CI runs ``.ci/run``."""

from pathlib import Path

import nox

nox.options.sessions = ["lint", "test"]
nox.options.reuse_existing_virtualenvs = True
QUIET_MKDOCS = {"NO_MKDOCS_2_WARNING": "1"}


@nox.session(python=["3.11", "3.12", "3.13"])
def test(session: nox.Session) -> None:
    """Run the tests; arguments after -- go to pytest."""
    session.install(".[dev]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types and the CloudFormation template."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("cfn-lint", *map(str, Path("stockctl").rglob("template*.yaml")))


@nox.session
def docs(session: nox.Session) -> None:
    """Build the docs into build/site; a dead link or anchor fails."""
    extras = nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"]
    session.install(*extras["docs"])  # the pages need no stockctl
    session.run("mkdocs", "build", "--strict", *session.posargs, env=QUIET_MKDOCS)


@nox.session
def refresh(session: nox.Session) -> None:
    """Write what the docs show anew: configuration, picture, output of the console blocks."""
    session.install("-e", ".[dev]")
    session.run("python", "docs/make_reference.py")
    session.run("python", "docs/make_picture.py")
    session.run("pytest", "tests/docs/test_console_blocks.py", *session.posargs, env={"REFRESH_DOCS": "1"})

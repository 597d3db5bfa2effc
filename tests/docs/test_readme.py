"""The README says what is so."""

import re
import tomllib

import pytest

from stockctl.backends.aws.stack.cost import estimate
from stockctl.config.example import to_toml
from stockctl.config.schema import Section, Settings
from support.paths import REPOSITORY

README = (REPOSITORY / "README.md").read_text()


def keys() -> list[tuple[str, str, str]]:
    """Return key, default and meaning of every key of the configuration, as the README writes them."""
    rows = []
    settings = Settings()
    for name, value in settings:
        model, prefix = (type(value), f"{name}.") if isinstance(value, Section) else (Settings, "")
        for key, field in model.model_fields.items():
            if prefix or key == name:
                known = field.default_factory is None and field.default is not None
                default = f"`{to_toml(field.default)}`" if known else ""
                rows.append((f"`{prefix}{key}`", default, str(field.description)))
    return rows


def test_the_configuration_reference_is_complete_and_true() -> None:
    """Every key stands in the table with its default and its meaning."""
    table = README.split("| key | default | meaning |\n|---|---|---|\n")[1].split("\n\n")[0]
    written = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table.splitlines()]
    assert written == keys()


def test_the_cost_is_what_plan_prints() -> None:
    """The figures for the default configuration, word by word."""
    assert str(estimate(Settings())) in " ".join(README.split())


def test_the_two_commands_are_what_ci_runs() -> None:
    """The README's test command is the one in .ci/run."""
    commands = re.findall(r"```sh\n(python3 -m venv .*?)\n```", README)
    assert len(commands) == 2
    assert commands[0].endswith("stockctl demo")
    script = (REPOSITORY / ".ci" / "run").read_text()
    if commands[1] not in script:
        pytest.fail(".ci/run does not run the README's test command")


def test_the_versions_of_python_agree() -> None:
    """README, metadata and classifiers name the same versions."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert "Python 3.11 to 3.13" in README
    assert project["requires-python"] == ">=3.11,<3.14"


def test_every_link_into_the_repository_leads_somewhere() -> None:
    """No relative link is dead."""
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (REPOSITORY / target).exists(), target

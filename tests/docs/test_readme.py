"""README and docs say what is so."""

import re
import tomllib

import pytest
from console_blocks import PAGES

from stockctl.backends.aws.stack.cost import estimate
from stockctl.config.example import to_toml
from stockctl.config.schema import Section, Settings
from stockctl.monitoring.metrics import METRICS
from support.paths import REPOSITORY

README = (REPOSITORY / "README.md").read_text("utf-8")
DOCUMENTS = (*PAGES, REPOSITORY / "CONTRIBUTING.md", REPOSITORY / "SECURITY.md")


def page(name: str) -> str:
    """Return the text of a page of the docs."""
    return (REPOSITORY / "docs" / name).read_text("utf-8")


def keys() -> list[tuple[str, str, str]]:
    """Return key, default and meaning of every key of the configuration, as the page writes them."""
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
    """Every key stands in a table with its default and its meaning."""
    rows = [line for line in page("configuration.md").splitlines() if line.startswith("| `")]
    assert [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in rows] == keys()


def test_the_cost_is_what_plan_prints() -> None:
    """The figures for the default configuration, word by word."""
    assert str(estimate(Settings())) in " ".join(page("aws.md").split())


def test_the_figures_of_the_readme_are_those_of_the_benchmarks() -> None:
    """Each result in its table stands on the page that names the machine and the command."""
    table = README.split("| what | command | result |\n|---|---|---:|\n")[1].split("\n\n")[0]
    results = [re.match(r"[\d.,]+", row.strip("|").split("|")[-1].strip()) for row in table.splitlines()]
    assert 0 < len(results) <= 10
    for result in results:
        assert result is not None
        assert result[0] in page("benchmarks.md")


def test_the_two_commands_are_what_ci_runs() -> None:
    """The README's test command is the one in .ci/run, in a folder of its own."""
    commands = re.findall(r"```sh\n(python3 -m venv .*?)\n```", README)
    assert len(commands) == 2
    assert commands[0].endswith("stockctl demo")
    script = (REPOSITORY / ".ci" / "run").read_text()
    if commands[1].replace(".venv", ".ci/venv") not in script:
        pytest.fail(".ci/run does not run the README's test command")


def test_ci_leaves_the_environment_of_a_contributor_alone() -> None:
    """Nothing in .ci/run names .venv, and what it makes is ignored by git."""
    assert not re.search(r"(?<![\w/])\.venv", (REPOSITORY / ".ci" / "run").read_text())
    assert ".ci/venv/" in (REPOSITORY / ".gitignore").read_text().splitlines()


def test_the_versions_of_python_agree() -> None:
    """README, metadata, classifiers, CI and the task file name the same versions."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    versions = ["3.11", "3.12", "3.13"]
    assert "Python 3.11 to 3.13" in README
    assert project["requires-python"] == ">=3.11,<3.14"
    classifiers = [f"Programming Language :: Python :: {version}" for version in versions]
    assert set(classifiers) == {line for line in project["classifiers"] if ":: 3." in line}
    workflow = (REPOSITORY / ".github" / "workflows" / "ci.yml").read_text()
    assert ", ".join(f'"{version}"' for version in versions) in workflow


def test_every_link_into_the_repository_leads_somewhere() -> None:
    """No relative link is dead."""
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text("utf-8")):
            if not target.startswith("http"):
                assert (document.parent / target).exists(), (document.name, target)


def test_the_sample_of_the_log_has_fields_that_are_logged() -> None:
    """Those of the metrics; the sample is too rare to be had from a short run."""
    (sample,) = re.findall(r"^time=\S+ level=info event=figures (.*)$", page("monitoring.md"), re.MULTILINE)
    fields = re.findall(r"(\w+)=", sample)
    assert len(fields) > 5
    assert set(fields) <= {metric.name for metric in METRICS if metric.is_field}

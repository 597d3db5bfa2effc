"""Write the parts of the docs that repeat what the code says, and config.example.toml.

    python docs/make_reference.py

In docs/configuration.md: every key, from the schema. In docs/monitoring.md: every metric, from the table of
metrics. In docs/architecture.md: the modules that a quote and a key pass, as benchmarks/structure.py finds
them. Tests fail while one of them is out of date.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stockctl.config.example import example_file, to_toml
from stockctl.config.schema import Section, Settings
from stockctl.monitoring.metrics import METRICS, Kind, Metric, Show

HERE = Path(__file__).parent
EXAMPLE = HERE.parent / "config.example.toml"
BEGIN = "<!-- Written by docs/make_reference.py: do not edit. -->\n"
END = "<!-- End of what docs/make_reference.py writes. -->\n"


def current(page: Path) -> str:
    """Return the text that a page should have."""
    before, begin, rest = page.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page} has no place for the generated part")
    return f"{before}{BEGIN}\n{PAGES[page.name]()}\n{END}{after}"


def _configuration() -> str:
    settings = Settings()
    sections = {name: value for name, value in settings if isinstance(value, Section)}
    plain = [name for name in Settings.model_fields if name not in sections]
    parts = ["## Top level\n\n", _keys(Settings, "", plain)]
    for name, section in sections.items():
        keys = list(type(section).model_fields)
        parts += [f"\n## {name}\n\n{type(section).__doc__}\n\n", _keys(type(section), f"{name}.", keys)]
    return "".join(parts)


def _keys(model: type[Section], prefix: str, keys: list[str]) -> str:
    rows = "".join(_key(model, prefix, key) for key in keys)
    return f"| key | default | meaning |\n|---|---|---|\n{rows}"


def _key(model: type[Section], prefix: str, key: str) -> str:
    field = model.model_fields[key]
    known = field.default_factory is None and field.default is not None
    default = f"`{to_toml(field.default)}`" if known else ""
    return f"| `{prefix}{key}` | {default} | {field.description} |\n"


def _metrics() -> str:
    head = "| log, JSON, health file | Prometheus | `status` | live view | meaning |\n|---|---|---|---|---|\n"
    return head + "".join(map(_metric, METRICS))


def _metric(metric: Metric) -> str:
    cells = (
        f"`{metric.name}`" if metric.is_field else "",
        _prometheus_name(metric),
        _shown(metric, metric.status),
        _shown(metric, metric.live_view),
        metric.help,
    )
    return f"| {' | '.join(cells)} |\n"


def _prometheus_name(metric: Metric) -> str:
    if not metric.prometheus:
        return ""
    suffix = "_total" if metric.kind in (Kind.COUNTER, Kind.COUNTERS) else ""
    label, value = metric.prometheus_label
    labels = f'{{{label}="{value or "..."}"}}' if label else ""
    return f"`stockctl_{metric.prometheus}{suffix}{labels}`"


def _shown(metric: Metric, show: Show) -> str:
    return {Show.NEVER: "", Show.IF_NONZERO: f"{metric.title}, above 0", Show.ALWAYS: metric.title}[show]


def _modules() -> str:
    sys.path.append(str(HERE.parent / "benchmarks"))
    import structure

    quote, key = structure.quote_modules(HERE.parent), structure.key_modules(HERE.parent)
    return (
        f"{len(quote)} modules run for a quote that is read from a pipe, stored and raises an alert:\n\n"
        f"{_listed(quote)}\n{len(key)} modules run when a configuration key is loaded:\n\n{_listed(key)}"
    )


def _listed(modules: Sequence[str]) -> str:
    folders: dict[str, list[str]] = {}
    for module in modules:
        folder, _, name = module.rpartition(".")
        folders.setdefault(folder, []).append(name)
    rows = (
        f"| `{folder}` | {', '.join(f'`{name}`' for name in names)} |\n" for folder, names in folders.items()
    )
    return f"| package | modules |\n|---|---|\n{''.join(rows)}"


PAGES: Mapping[str, Callable[[], str]] = {
    "configuration.md": _configuration,
    "monitoring.md": _metrics,
    "architecture.md": _modules,
}
"""The pages that hold a generated part, and what makes it."""

if __name__ == "__main__":
    for name in PAGES:
        (HERE / name).write_text(current(HERE / name), "utf-8")
    EXAMPLE.write_text(example_file(), "utf-8")

"""The lines of keys in TOML files of several layouts."""

import tomllib

import pytest

from stockctl.config.key_lines import key_lines, line_of

LAYOUTS = {
    "tables": ('a = 1\n\n# note\n[b]\nc = 2 # [d]\n  d = "x = 1"\n', {"a": 1, "b": 4, "b.c": 5, "b.d": 6}),
    "dotted keys": ("b.c = 1\nb . d = 2\n", {"b.c": 1, "b.d": 2}),
    "quoted keys": ('"a b".\'c.d\' = 1\n["x y"]\nz = 2\n', {"a b.c.d": 1, "x y": 2, "x y.z": 3}),
    "dotted tables": ("[a.b]\nc = 1\n[a]\nd = 2\n", {"a.b": 1, "a.b.c": 2, "a": 3, "a.d": 4}),
    "arrays of tables": (
        "[[a.b]]\nc = 1\n\n[[a.b]]\nc = 2\n[a.b.d]\ne = 3\n",
        {"a.b": 1, "a.b.0": 1, "a.b.0.c": 2, "a.b.1": 4, "a.b.1.c": 5, "a.b.1.d": 6, "a.b.1.d.e": 7},
    ),
    "values of several lines": (
        'a = [\n  "x = 1",\n  # [no]\n]\nb = """\n[no]\nc = 1\n"""\nd = 4\n',
        {"a": 1, "b": 5, "d": 9},
    ),
    "inline tables": (
        'a = {b = 1, c = {d = 2}}\ne = [{f = 1}, {f = "["}]\ng = 1\n',
        {"a": 1, "e": 2, "g": 3},
    ),
    "windows": ("[a]\r\nb = 1\r\n", {"a": 1, "a.b": 2}),
    "empty": ("", {}),
}


@pytest.mark.parametrize(("text", "lines"), LAYOUTS.values(), ids=LAYOUTS)
def test_each_key_has_its_line(text: str, lines: dict[str, int]) -> None:
    """Tables, dotted and quoted keys, arrays of tables; what stands in a value is no key."""
    tomllib.loads(text)
    assert key_lines(text) == lines


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("b.c", 5),
        ("b.missing", 4),
        ("b", 4),
        ("e.0.f", 7),
        ("f", 8),
        ("f.g", 8),
        ("nothing", None),
    ],
)
def test_what_has_no_line_of_its_own_has_that_of_its_neighbours(name: str, line: int | None) -> None:
    """A missing key has the line of its table, an implied table that of its first key."""
    text = "a = 1\n\n\n[b]\nc = 2\n\n[[e]]\n[f.g]\n"
    assert line_of(name, key_lines(text)) == line

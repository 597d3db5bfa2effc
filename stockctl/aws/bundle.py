"""The zip with the code of both functions: reproducible, and nothing in it that they do not import.

Of this package it holds what the two handlers import, found by reading the import statements; of other
projects, the Python files of powertools, ``typing_extensions`` and the time zones, taken from the
distributions that are installed here. boto3 and jmespath are part of Lambda's own runtime.
"""

import ast
import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path

import stockctl
from stockctl.errors import AwsError

HANDLERS = ("stockctl.functions.ingest", "stockctl.functions.trend")
MAX_BYTES = 4_000_000

_PACKAGE = Path(stockctl.__file__).parent
_DISTRIBUTIONS = {
    "aws-lambda-powertools": "aws_lambda_powertools/",
    "typing-extensions": "typing_extensions.py",
    "tzdata": "tzdata/",
}
_EPOCH = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o100644 << 16
_UNIX = 3


@dataclass(frozen=True)
class Bundle:
    """The files of the zip, in order of their names."""

    files: tuple[tuple[str, bytes], ...]

    @cached_property
    def data(self) -> bytes:
        """The zip: files of one age and one mode, in order, so that the same files give the same bytes."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, content in self.files:
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = _READABLE
                entry.create_system = _UNIX
                archive.writestr(entry, content)
        return buffer.getvalue()

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the zip, in hexadecimal digits."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def key(self) -> str:
        """Key of the zip in the artifact bucket."""
        return f"functions/{self.sha256}.zip"


def build() -> Bundle:
    """Return the bundle of the code that is installed here.

    Raises:
        AwsError: a distribution that belongs into it is not installed, or not as files.
    """
    files = dict(_own_files())
    for distribution, root in _DISTRIBUTIONS.items():
        files.update(_installed_files(distribution, root))
    return Bundle(tuple(sorted(files.items())))


def modules_of(*names: str) -> set[str]:
    """Return ``names`` and the modules of this package that they import, with the packages around them."""
    found: set[str] = set()
    pending = set(names)
    while pending:
        module = pending.pop()
        found.add(module)
        pending |= {each for each in _imported(module) if _path(each) is not None} - found
        if parent := module.rpartition(".")[0]:
            pending |= {parent} - found
    return found


def _own_files() -> Iterator[tuple[str, bytes]]:
    for module in modules_of(*HANDLERS):
        path = _path(module)
        if path is None:
            raise AwsError(
                f"{module} is not among the installed files of stockctl.", "Install stockctl again."
            )
        yield path.relative_to(_PACKAGE.parent).as_posix(), path.read_bytes()


def _imported(module: str) -> Iterator[str]:
    """Yield the names that the file of ``module`` imports; some may be functions rather than modules."""
    path = _path(module)
    if path is None:
        return
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _path(module: str) -> Path | None:
    """Return the file of a module of this package, or None when there is no such module."""
    package, *parts = module.split(".")
    if package != stockctl.__name__:
        return None
    place = _PACKAGE.joinpath(*parts)
    candidates = (place / "__init__.py", place.parent / f"{place.name}.py")
    return next((path for path in candidates if path.is_file()), None)


def _installed_files(distribution: str, root: str) -> Iterator[tuple[str, bytes]]:
    hint = "Install stockctl again: pip install --force-reinstall stockctl."
    try:
        files = metadata.distribution(distribution).files
    except metadata.PackageNotFoundError:
        raise AwsError(f"{distribution}, which the functions need, is not installed.", hint) from None
    if not files:
        raise AwsError(f"{distribution} is installed without a list of its files.", hint)
    for file in files:
        name = file.as_posix()
        if name.startswith(root) and _belongs(name):
            yield name, file.read_binary()


def _belongs(name: str) -> bool:
    """Whether a file of a distribution is needed at run time: Python, or a time zone (no suffix)."""
    return name.endswith(".py") or (
        name.startswith("tzdata/zoneinfo/") and "." not in name.rpartition("/")[2]
    )

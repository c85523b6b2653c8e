"""A test folder imports its own modules and tests.support, and nothing imports a test module or a conftest."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def forbidden_imports(kind: str, source: str) -> list[str]:
    """Imports that a module in `tests/<kind>/` may not have; `kind` is empty for a module of `tests` itself."""
    return [name for name in _imports_of_tests(ast.parse(source)) if not _is_allowed(name, kind)]


def _imports_of_tests(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{each.name}" for each in node.names if node.module.count(".") < 2)]
        elif isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        else:
            continue
        yield from (name for name in names if name.count(".") >= 2 and name.startswith("tests."))


def _is_allowed(name: str, kind: str) -> bool:
    _, folder, module = name.split(".")[:3]
    is_a_test = module.startswith("test_") or module == "conftest"
    return folder in {kind, "support"} and not is_a_test


def test_no_test_imports_another_kind_or_another_test() -> None:
    found = {}
    for path in sorted(TESTS.rglob("*.py")):
        folder = path.relative_to(TESTS).parts[0] if path.parent != TESTS else ""
        if wrong := forbidden_imports(folder, path.read_text(encoding="utf-8")):
            found[path.relative_to(TESTS).as_posix()] = wrong
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "from tests.sql.cases import filled",
        "from tests.sql import cases",
        "import tests.sql.cases",
        "from tests.cli.test_json import run",
        "from tests.cli.conftest import place",
        "def late():\n    from tests.books.test_truth import all_rows",
    ],
)
def test_a_forbidden_import_is_found_wherever_it_stands(source: str) -> None:
    assert forbidden_imports("cli", source)
    assert not forbidden_imports("cli", "from tests.cli.desk import Desk\nfrom tests.support.places import Place")

"""One tree of errors: each has its exit code and its place in the picture, and no message shows a person."""

import ast
import inspect
import re
import signal
from pathlib import Path

import pytest

import pipelines
from pipelines import errors
from pipelines.cli.exits import INTERRUPTED, READER_GONE
from pipelines.errors import GatewayRefused, NotSent, OutcomeUnknown, SmsreconError

PACKAGE = Path(pipelines.__file__).parent
ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, SmsreconError)]
EXIT_CODES = {"UsageError": 2, "InputRefused": 10, "GatewayRefused": 11, "GatewayUnavailable": 12, "OutcomeUnknown": 13}
EXIT_CODES |= {"InDoubt": 13, "BooksError": 14, "WarehouseBusy": 15, "CampaignBusy": 15, "AlertRaised": 16}

TERMINATED = 128 + signal.SIGTERM

# Variables that hold what belongs to a person or is secret; no message may show one.
PERSONAL = re.compile(r"(^|_)(phones?|texts?|contents?|secret|app_secret|body|raw|answer|received)$")


def test_every_exit_code_is_the_documented_one() -> None:
    assert {kind.__name__: kind.exit_code for kind in ALL if kind.__name__ in EXIT_CODES} == EXIT_CODES
    assert {kind.exit_code for kind in ALL} == {1, 2, 10, 11, 12, 13, 14, 15, 16}


def test_exactly_the_exit_codes_in_use_are_explained() -> None:
    assert errors.EXIT_CODES.keys() == {kind.exit_code for kind in ALL} | {0, INTERRUPTED, READER_GONE, TERMINATED}


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_stands_in_the_picture_of_the_tree_with_its_exit_code(kind: type[SmsreconError]) -> None:
    (line,) = re.findall(rf"^.*\b{kind.__name__}\b.*$", str(errors.__doc__), re.MULTILINE)

    number = re.search(r"(\d+)$", line)
    assert number is None or int(number.group(1)) == kind.exit_code


def test_an_error_says_surely_not_sent_or_may_have_been_sent_and_never_both() -> None:
    for kind in ALL:
        assert not (issubclass(kind, NotSent) and issubclass(kind, OutcomeUnknown))


def test_errors_of_the_project_are_defined_in_the_tree_only() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.name == "errors.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
                assert not bases & {kind.__name__ for kind in ALL}, f"{path.name}: {node.name}"


def shown_values() -> list[tuple[str, ast.expr]]:
    """Where and what the message of every raised error shows besides its own words; the sandbox aside."""
    names = {kind.__name__ for kind in ALL}
    return [
        (f"{path.relative_to(PACKAGE)}:{node.lineno}", part.value)
        for path in sorted(PACKAGE.rglob("*.py"))
        if "sandbox" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)
        if isinstance(node.exc.func, ast.Name) and node.exc.func.id in names
        for part in ast.walk(node.exc)
        if isinstance(part, ast.FormattedValue)
    ]


def test_no_message_shows_a_variable_that_holds_a_phone_a_text_or_a_secret() -> None:
    found = shown_values()

    assert found
    for place, value in found:
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in {"len", "type"}:
            continue
        parts = [node for node in ast.walk(value) if isinstance(node, ast.Name | ast.Attribute)]
        for name in (part.id if isinstance(part, ast.Name) else part.attr for part in parts):
            assert not PERSONAL.search(name), place


def test_a_message_and_an_error_code_come_out_as_they_went_in() -> None:
    refused = GatewayRefused("refused; top up", error_code="100009")

    assert (str(refused), refused.error_code) == ("refused; top up", "100009")
    assert "13912345678" not in repr(OutcomeUnknown("lost", received=b"13912345678"))

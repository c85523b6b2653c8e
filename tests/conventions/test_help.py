"""The help of every command is complete and fits a terminal of 80 columns."""

import inspect
import re
import unicodedata
from collections.abc import Iterator

import pytest
from cyclopts import App

from pipelines.cli.main import app
from pipelines.errors import EXIT_CODES


def commands(parent: App = app, *path: str) -> Iterator[tuple[str, App]]:
    """All commands and subcommands by name."""
    for name in parent:
        if not name.startswith("-"):
            yield " ".join((*path, name)), parent[name]
            yield from commands(parent[name], *path, name)


COMMANDS = dict(commands())
each_command = pytest.mark.parametrize("name", COMMANDS)


@each_command
def test_a_command_says_in_one_line_what_it_does(name: str) -> None:
    summary = COMMANDS[name].help.strip().split("\n\n")[0]

    assert re.fullmatch(r"[A-Z][^\n]+\.", summary)


@each_command
def test_no_line_of_a_help_is_wrapped(name: str) -> None:
    assert [line for line in inspect.cleandoc(COMMANDS[name].help).splitlines() if width(line) > 79] == []


@pytest.mark.parametrize(
    "name", [name for name in COMMANDS if name != "sandbox"]
)  # its options are described by docstrings of attributes
def test_every_argument_and_option_is_described(name: str) -> None:
    if COMMANDS[name].default_command is not None:
        arguments = [each for each in COMMANDS[name].assemble_argument_collection() if each.parameter.show is not False]

        assert [each.name for each in arguments if not each.parameter.help] == []


def test_the_main_help_lists_every_exit_code() -> None:
    listed = re.findall(r"^ +(\d+)  \S", str(app.help_epilogue), re.MULTILINE)

    assert [int(code) for code in listed] == [*EXIT_CODES]


def width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)

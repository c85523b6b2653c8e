"""The two READMEs say what the code does: commands, settings, exit codes, tables, links; and both say the same."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from pipelines import errors
from pipelines.cli.main import app
from pipelines.contracts import table_of
from pipelines.contracts.core import CORE
from pipelines.contracts.marts import EXCEPTION_KINDS
from pipelines.contracts.published import FUNCTIONS
from pipelines.contracts.reconciled import RECONCILED, STATUSES
from pipelines.gateway.codes import ERROR_MEANINGS
from pipelines.sandbox.settings import FAULT_KINDS
from pipelines.settings import Settings
from tests.conventions.pages import CHINESE, ENGLISH, READMES, ROOT, blocks, without_blocks

PAGES = (*READMES, ROOT / "tests" / "README.md", ROOT / "CHANGELOG.md")

COMMANDS = {name for name in app if not name.startswith("-")}
EXIT_CODES = {0, 1, 130, 141, 143} | {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type)}
UNSET = "–"

each_readme = pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


# What the code has, a README names


@each_readme
def test_every_command_is_named_and_no_other(page: Path) -> None:
    assert set(table(page, ("command", "命令"), ("does", "做什么"))) - make_lines(page) == COMMANDS


@each_readme
def test_every_setting_is_named_with_its_default_and_no_other(page: Path) -> None:
    assert table(page, ("setting", "配置项"), ("default", "默认值")) == dict(defaults(Settings))


@each_readme
def test_every_exit_code_is_named_and_no_other(page: Path) -> None:
    assert {int(code) for code in table(page, ("code", "码"), ("means", "含义"))} == EXIT_CODES


@each_readme
def test_every_private_table_is_named_and_no_other(page: Path) -> None:
    named = re.findall(r"^\| `(core\.\w+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(named) == sorted(map(table_of, (*CORE, *RECONCILED)))


@each_readme
def test_every_function_of_the_analysts_is_named_and_no_other(page: Path) -> None:
    named = table(page, ("function", "函数"), ("gives", "给出"))

    assert {name for calls in named for name in re.findall(r"(\w+)\(", calls)} == FUNCTIONS.keys()


@each_readme
def test_every_status_is_named_and_no_other(page: Path) -> None:
    assert tuple(table(page, ("status", "状态"), ("means", "含义"))) == STATUSES


@each_readme
def test_every_kind_of_exception_error_code_and_fault_is_named(page: Path) -> None:
    named = {code for _, code in inline_code(page)}

    assert set(EXCEPTION_KINDS) <= named
    assert set(ERROR_MEANINGS) <= set(table(page, ("code", "错误码"), ("what gives it", "怎么得到")))
    assert set(FAULT_KINDS) <= named


@each_readme
def test_every_option_of_the_sandbox_is_named_with_its_default_and_no_other(page: Path) -> None:
    named: dict[str, str] = {}
    for options, values in table(page, ("option", "选项"), ("default", "默认值")).items():
        parted = [re.split(", |、", cell.replace("`", "")) for cell in (options, values)]
        named |= zip(*parted, strict=True)
    known = {
        argument.names[0]: argument.field_info.default
        for argument in app["sandbox"].assemble_argument_collection()
        if re.fullmatch("--[a-z-]+", argument.names[0]) and argument.names[0] != "--shares"
    }

    assert named.keys() == known.keys()
    for name, default in known.items():
        if default is None or isinstance(default, str | int | float | Path):
            assert named[name] == (UNSET if default is None else str(default)), name


# What a README says can be typed


@each_readme
def test_every_command_line_of_the_page_is_one_that_parses(page: Path) -> None:
    lines = list(command_lines(page))

    assert {tokens[0] for tokens in lines if not tokens[0].startswith("-")} >= COMMANDS
    for tokens in lines:
        if tokens == ["--help"]:
            continue
        _, bound, _ = app.meta.parse_args(tokens, exit_on_error=False, print_error=False)
        app.parse_args(bound.arguments["tokens"], exit_on_error=False, print_error=False)


def test_both_pages_show_the_same_command_lines_but_for_their_queries() -> None:
    english, chinese = (
        [[token for token in tokens if "SELECT" not in token] for tokens in command_lines(page)] for page in READMES
    )

    assert english == chinese


@each_readme
def test_every_make_target_is_named_and_no_other(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE))
    in_blocks = {target for _, block in blocks(page) for target in re.findall(r"^make ([a-z]+)", block, re.MULTILINE)}

    assert {line.removeprefix("make ") for line in make_lines(page)} | in_blocks == targets


# What a README shows


def test_both_pages_have_the_same_headings_in_the_same_order() -> None:
    english, chinese = (
        [level for level, _ in re.findall(r"^(#+) (.*)$", without_blocks(page), re.MULTILINE)] for page in READMES
    )

    assert english == chinese


def test_both_pages_show_the_same_blocks_in_the_same_order() -> None:
    english, chinese = ([language for language, _ in blocks(page)] for page in READMES)

    assert english == chinese
    assert picture(ENGLISH) == picture(CHINESE)
    assert queries(ENGLISH) == queries(CHINESE)


def test_the_books_of_the_picture_balance() -> None:
    shown = dict(re.findall(r"^(\w[\w ]*?) +([\d,]+) +<?[\d.]+%", picture(ENGLISH), re.MULTILINE))
    counts = {name.replace(" ", "_"): int(count.replace(",", "")) for name, count in shown.items()}

    assert sum(counts.get(status, 0) for status in STATUSES) == counts["rows_of_the_file"] > 0


@each_page
def test_every_link_of_the_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", without_blocks(page)):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        linked = page if not path else page.parent / path
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def test_every_kind_of_test_is_explained() -> None:
    kinds = {path.parent.name for path in (ROOT / "tests").glob("*/*.py")}

    assert kinds == set(re.findall(r"^\| `(\w+)/` \|", (ROOT / "tests/README.md").read_text(encoding="utf-8"), re.M))


# Reading a page


def picture(page: Path) -> str:
    """The terminal report."""
    return next(block for language, block in blocks(page) if language == "text")


def queries(page: Path) -> list[str]:
    return [block for language, block in blocks(page) if language == "sql"]


def inline_code(page: Path) -> list[tuple[int, str]]:
    return [(match.start(), match[1]) for match in re.finditer(r"`([^`\n]+)`", without_blocks(page))]


def table(page: Path, first: tuple[str, str], second: tuple[str, str]) -> dict[str, str]:
    """The first two cells of every line of the tables that have these headings, in one of the two languages."""
    cells: dict[str, str] = {}
    is_inside = False
    for line in without_blocks(page).splitlines():
        parts = [part.strip().strip("`") for part in line.split("|")[1:-1]]
        if len(parts) < 2:
            is_inside = False
        elif parts[0] in first and parts[1] in second:
            is_inside = True
        elif is_inside and not set(parts[0]) <= {"-"}:
            cells[parts[0]] = parts[1]
    return cells


def make_lines(page: Path) -> set[str]:
    return {code for _, code in inline_code(page) if re.fullmatch("make [a-z]+", code)}


def command_lines(page: Path) -> Iterator[list[str]]:
    """What follows `smsrecon` in every command line of the page, in blocks and in the text."""
    shown = "".join(block for language, block in blocks(page) if language == "sh").replace("\\\n", " ")
    in_text = [code for _, code in inline_code(page) if code.startswith("smsrecon ")]
    for line in [*shown.splitlines(), *in_text]:
        words = shlex.shlex(line, posix=True, punctuation_chars=True)
        words.whitespace_split = True
        tokens = list(words)
        at = next((place for place, token in enumerate(tokens) if token.split("/")[-1] == "smsrecon"), None)
        if at is not None:
            ours = tokens[at + 1 :]
            end = next((place for place, token in enumerate(ours) if set(token) <= set("|&;<>")), len(ours))
            yield ours[:end]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", without_blocks(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def defaults(settings: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every setting with its default, as TOML writes it."""
    for name, field in settings.model_fields.items():
        if isinstance(field.default, BaseModel):
            yield from defaults(type(field.default), f"{prefix}{name}.")
        else:
            yield prefix + name, as_toml(field.default)


def as_toml(value: Any) -> str:
    if value is None:
        return UNSET
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)

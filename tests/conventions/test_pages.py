"""The pages say what the code does, both languages say the same, and every link leads somewhere."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.alerts.rules import RULES
from pipelines.cli.main import app
from pipelines.contracts import table_of
from pipelines.contracts.core import CORE
from pipelines.contracts.marts import EXCEPTION_KINDS
from pipelines.contracts.published import FUNCTIONS
from pipelines.contracts.reconciled import RECONCILED, STATUSES
from pipelines.gateway.codes import ERROR_CODES
from pipelines.sandbox.settings import FAULT_KINDS
from tests.support.pages import (
    CHANGELOG,
    ENGLISH_PAGES,
    PAGES,
    ROOT,
    blocks,
    both,
    in_chinese,
    is_chinese,
    name_of,
    without_blocks,
)

COMMANDS = {name for name in app if not name.startswith("-")}
UNSET = "–"

README = both("README")
HOW_IT_WORKS = both("pipelines/README")
PUSHES = both("pipelines/receive/README")
SCHEDULES = both("pipelines/flows/README")
COMMAND_LINE = both("pipelines/cli/README")
SANDBOX = both("pipelines/sandbox/README")
SQL = both("sql/README")
TABLES = both("sql/TABLES")

# The most kilobytes that a page may have: who looks for one fact reads one short page.
LARGEST = {
    "README.md": 11,
    "pipelines/README.md": 14,
    "pipelines/SECURITY.md": 5,
    "pipelines/cli/README.md": 6,
    "pipelines/cli/SETTINGS.md": 10,
    "pipelines/flows/README.md": 14,
    "pipelines/flows/MANY_MACHINES.md": 12,
    "pipelines/operations/README.md": 9,
    "pipelines/receive/README.md": 5,
    "pipelines/sandbox/README.md": 11,
    "sql/README.md": 9,
    "sql/TABLES.md": 36,
    "sql/QUESTIONS.md": 9,
    "notebooks/README.md": 3,
    "tests/README.md": 8,
}

each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)
each_english_page = pytest.mark.parametrize("page", ENGLISH_PAGES, ids=name_of)


def each_of(pages: tuple[Path, Path]) -> pytest.MarkDecorator:
    """In English and in Chinese."""
    return pytest.mark.parametrize("page", pages, ids=name_of)


# What the code has, a page names


@each_of(COMMAND_LINE)
def test_every_command_is_named_and_no_other(page: Path) -> None:
    assert table(page, ("command", "命令"), ("does", "做什么")).keys() == COMMANDS


@each_of(HOW_IT_WORKS)
def test_every_module_is_named_in_the_layer_that_it_belongs_to(page: Path) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = [set(layer.split(" | ")) for contract in settings["contracts"] for layer in contract.get("layers", [])]
    named = table(page, ("module", "模块"), ("holds", "内容"))

    assert [set(re.findall(r"(\w+)(?:/|\.py)", modules)) for modules in named] == layers


@each_of(PUSHES)
def test_the_proxies_on_the_page_write_no_line_with_the_path_secret(page: Path) -> None:
    """Tried with nginx 1.22 and Caddy 2.11: with an endpoint that is down, or a body too large, both quote the path."""
    text = page.read_text(encoding="utf-8")

    assert re.search(
        r"^server \{.*^    access_log off;.*^    error_log /dev/null;.*^\}", text, re.MULTILINE | re.DOTALL
    )
    assert re.search(r"```caddy\n\{\n    log \{\n        exclude http\b", text)


@each_of(SCHEDULES)
def test_every_rule_of_alerts_is_named(page: Path) -> None:
    named = {
        rule
        for rules in table(page, ("rule", "规则"), ("found when", "何时触发"))
        for rule in re.findall(r"\w+", rules)
    }

    assert named >= {*RULES, "low_balance", "day_not_pulled", "check_failed"}


@each_of(SCHEDULES)
def test_every_message_of_ours_that_the_page_explains_is_one_that_the_code_raises(page: Path) -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "pipelines/flows").glob("*.py"))
    quoted = [cell for cell in table(page, ("what you see", "看到什么"), ("what to do", "怎么办")) if " " in cell]
    messages = [cell for cell in quoted if re.match("(the Prefect server|port) ", cell)]

    assert len(messages) == 5
    for message in messages:
        pattern = re.escape(message).replace("4200", r"\{port\}").replace("…", r"\{[^}]+\}")
        assert re.search(pattern, code), message


@each_of(TABLES)
def test_every_private_table_is_named_and_no_other(page: Path) -> None:
    named = re.findall(r"^\| `(core\.\w+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(named) == sorted(map(table_of, (*CORE, *RECONCILED)))


@each_of(SQL)
def test_every_function_of_the_analysts_is_named_and_no_other(page: Path) -> None:
    named = table(page, ("function", "函数"), ("gives", "给出"))

    assert {name for calls in named for name in re.findall(r"(\w+)\(", calls)} == FUNCTIONS.keys()


@each_of(HOW_IT_WORKS)
def test_every_status_is_named_and_no_other(page: Path) -> None:
    assert tuple(table(page, ("status", "状态"), ("means", "含义"))) == STATUSES


@each_of(TABLES)
def test_every_kind_of_exception_is_named(page: Path) -> None:
    assert set(EXCEPTION_KINDS) <= set(inline_code(page))


@each_of(SANDBOX)
def test_every_error_code_and_fault_of_the_sandbox_is_named(page: Path) -> None:
    assert set(ERROR_CODES) <= table(page, ("code", "错误码"), ("what gives it", "怎么得到")).keys()
    assert set(FAULT_KINDS) <= set(inline_code(page))


@each_of(SANDBOX)
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


def test_every_make_target_is_named_and_no_other() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))

    for pages in (ENGLISH_PAGES, list(map(in_chinese, ENGLISH_PAGES))):
        named = {target for page in pages for target in make_targets(page)}
        assert named == targets


def test_every_kind_of_test_is_explained() -> None:
    kinds = {path.parent.name for path in (ROOT / "tests").glob("*/*.py")}

    assert kinds == set(re.findall(r"^\| `(\w+)/` \|", (ROOT / "tests/README.md").read_text(encoding="utf-8"), re.M))


# What a page says can be typed


@each_page
def test_every_command_line_of_the_page_is_one_that_parses(page: Path) -> None:
    for tokens in command_lines(page):
        if tokens == ["--help"]:
            continue
        _, bound, _ = app.meta.parse_args(tokens, exit_on_error=False, print_error=False)
        app.parse_args(bound.arguments["tokens"], exit_on_error=False, print_error=False)


@each_of(COMMAND_LINE)
def test_every_command_has_a_command_line(page: Path) -> None:
    assert {tokens[0] for tokens in command_lines(page) if not tokens[0].startswith("-")} == COMMANDS


# Both languages say the same


def test_every_page_is_there_in_both_languages() -> None:
    assert [in_chinese(page) for page in ENGLISH_PAGES] == [page for page in PAGES if is_chinese(page)]


@each_english_page
def test_both_languages_have_the_same_headings_in_the_same_order(page: Path) -> None:
    assert levels(page) == levels(in_chinese(page))


@each_english_page
def test_both_languages_show_the_same_blocks_and_command_lines(page: Path) -> None:
    twin = in_chinese(page)

    assert [language for language, _ in blocks(page)] == [language for language, _ in blocks(twin)]
    assert queries(page) == queries(twin)
    assert without_queries(page) == without_queries(twin)


def test_both_languages_show_the_same_demo() -> None:
    assert picture(README[0]) == picture(README[1])


# What a page shows


@each_page
def test_a_page_is_short(page: Path) -> None:
    english = name_of(page).replace(".zh-CN", "")

    assert len(page.read_bytes()) <= LARGEST[english] * 1024


@each_of(README)
def test_the_map_of_the_pages_leads_to_each_of_them(page: Path) -> None:
    linked = {(page.parent / path).resolve() for path, _ in links(page)}

    assert linked >= {each for each in PAGES if is_chinese(each) == is_chinese(page) and each != page}


@pytest.mark.parametrize("page", [*PAGES, CHANGELOG], ids=name_of)
def test_every_link_of_the_page_leads_somewhere(page: Path) -> None:
    for path, anchor in links(page):
        linked = page if not path else page.parent / path
        assert linked.exists(), path
        assert not anchor or anchor in anchors(linked), f"{path}#{anchor}"


@each_page
def test_a_page_links_to_pages_in_its_own_language(page: Path) -> None:
    twin = page.with_name(page.name.replace(".zh-CN.md", ".md")) if is_chinese(page) else in_chinese(page)
    linked = {(page.parent / path).resolve() for path, _ in links(page) if path.endswith(".md")} - {twin, CHANGELOG}

    assert [name_of(each) for each in sorted(linked) if is_chinese(each) != is_chinese(page)] == []


def test_the_books_of_the_picture_balance() -> None:
    shown = dict(re.findall(r"^(\w[\w ]*?) +([\d,]+) +<?[\d.]+%", picture(README[0]), re.MULTILINE))
    counts = {name.replace(" ", "_"): int(count.replace(",", "")) for name, count in shown.items()}

    assert sum(counts.get(status, 0) for status in STATUSES) == counts["rows_of_the_file"] > 0


# Reading a page


def picture(page: Path) -> str:
    """The terminal report."""
    return next(block for language, block in blocks(page) if language == "text")


def queries(page: Path) -> list[str]:
    return [block for language, block in blocks(page) if language == "sql"]


def levels(page: Path) -> list[str]:
    """`#`, `##` … of every heading."""
    return re.findall(r"^(#+) ", without_blocks(page), re.MULTILINE)


def links(page: Path) -> list[tuple[str, str]]:
    """Path and anchor of every link that stays in the repository."""
    targets = re.findall(r"\]\(([^)]+)\)", without_blocks(page))
    return [(path, anchor) for path, _, anchor in (target.partition("#") for target in targets) if "://" not in path]


def inline_code(page: Path) -> list[str]:
    return re.findall(r"`([^`\n]+)`", without_blocks(page))


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


def make_targets(page: Path) -> set[str]:
    """The targets of every `make …`, in blocks and in the text."""
    shown = [line for _, block in blocks(page) for line in block.splitlines()]
    return {target[1] for line in [*shown, *inline_code(page)] if (target := re.match(r"make ([a-z-]+)\b(?!=)", line))}


def command_lines(page: Path) -> Iterator[list[str]]:
    """The words after `smsrecon` in every command line of the page, in blocks and in the text."""
    shown = "".join(block for language, block in blocks(page) if language == "sh").replace("\\\n", " ")
    in_text = [code for code in inline_code(page) if code.startswith("smsrecon ")]
    for line in [*shown.splitlines(), *in_text]:
        words = shlex.shlex(line, posix=True, punctuation_chars=True)
        words.whitespace_split = True
        tokens = list(words)
        at = next((place for place, token in enumerate(tokens) if token.split("/")[-1] == "smsrecon"), None)
        if at is not None:
            ours = tokens[at + 1 :]
            end = next((place for place, token in enumerate(ours) if set(token) <= set("|&;<>")), len(ours))
            yield ours[:end]


def without_queries(page: Path) -> list[list[str]]:
    """The command lines of a page but for their queries, which name columns in the page's language."""
    return [[token for token in tokens if "SELECT" not in token] for tokens in command_lines(page)]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", without_blocks(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

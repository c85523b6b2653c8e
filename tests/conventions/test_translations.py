"""Every text that people read is in both languages, with the same placeholders, and is used."""

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

import pipelines
from pipelines.contracts import Contract
from pipelines.contracts.marts import MARTS
from pipelines.contracts.reconciled import RECONCILED
from pipelines.review import translations
from pipelines.review.translations import TEXTS, Texts, section
from pipelines.sql_files import reference_rows, statement
from tests.conventions.tables import values_of

PACKAGE = Path(pipelines.__file__).parent
READERS = [*(PACKAGE / "review").rglob("*.py"), *(PACKAGE.parent / "notebooks").glob("*.py")]
SHOWN_CONTRACTS: tuple[type[Contract], ...] = (*RECONCILED, *MARTS)


def test_a_shown_text_is_in_both_languages_with_the_same_placeholders() -> None:
    for name in ("review", "unit"):
        for key, text in section(name).items():
            assert text.en, key
            assert text.zh, key
            assert placeholders(text.en) == placeholders(text.zh), key


def test_no_key_stands_twice() -> None:
    lines = (PACKAGE / "translations.csv").read_text(encoding="utf-8").splitlines()

    assert len(lines) - 1 == len(translations._texts())


def test_every_next_step_of_a_code_is_translated_and_no_other() -> None:
    known = {row["what_to_do"] for row in reference_rows("gateway_codes")}
    unknown = set(re.findall(r"coalesce\(g\.what_to_do, '([^']+)'\)", statement("marts/code_breakdown")))

    assert known | unknown == section("next_step").keys()
    assert all(text.zh for text in section("next_step").values())


def test_no_text_is_unused() -> None:
    literals, patterns = literals_of_the_readers()
    literals |= {value for contract in SHOWN_CONTRACTS for values in values_of(contract).values() for value in values}

    unused = TEXTS.keys() - literals
    assert {name for name in unused if not any(re.fullmatch(pattern, name) for pattern in patterns)} == set()


def test_an_unknown_next_step_stays_as_the_table_says_it() -> None:
    assert Texts("zh").next_step("change the text") == "修改短信内容"
    assert Texts("en").next_step("change the text") == "change the text"
    assert Texts("zh").next_step("ask the bank") == "ask the bank"


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [(8, "8 s", "8 秒"), (600, "10 min", "10 分钟"), (4 * 3600, "4 h", "4 小时"), (5 * 86400, "5.0 days", "5.0 天")],
)
def test_a_duration_has_its_unit_in_the_language(seconds: float, english: str, chinese: str) -> None:
    assert (Texts("en").duration(seconds), Texts("zh").duration(seconds)) == (english, chinese)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def literals_of_the_readers() -> tuple[set[str], set[str]]:
    """The strings in the modules that show texts, and a pattern for each f-string there, such as `status_{name}`."""
    literals, patterns = set(), set()
    for path in READERS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                literals.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = [re.escape(part.value) if isinstance(part, ast.Constant) else ".+" for part in node.values]
                if set(parts) != {".+"}:
                    patterns.add("".join(parts))
    return literals, patterns

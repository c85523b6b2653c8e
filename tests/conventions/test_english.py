"""Plain English: openings and phrases that hide what a thing is or does don't come back, in code, SQL or pages."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
FOLDERS: Final = ("pipelines", "sql", "tests", "notebooks")

# A docstring says what a thing is or does, subject first. These openings make a riddle of it.
OPENING: Final = re.compile(r"(?:What|Whether|Whose|Whom|Who)\b")

# Phrase → what to write instead.
PHRASES: Final = {
    r"can(?:'t|not) be had|\bto be had\b": "isn't available",
    r"\b(?:is|are|was|were) none\b": "there is no …, isn't a …",
    r"\banew\b": "again",
    r"\bmend(?:s|ed|ing)?\b": "fix, correct",
    r"\bwhom\b": "name the person or the part",
    r"\bnobody (?:can|could) tell\b": "unknown",
    r"\bis (?:no|not) (?:more|longer) than\b": "at most",
}

Text = tuple[Path, int, str]


def python_files() -> list[Path]:
    return [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")) if path != Path(__file__)]


def docstrings(path: Path) -> Iterator[Text]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text is not None:
                yield path, node.body[0].lineno, text


def words_of_python(path: Path) -> Iterator[Text]:
    """Comments and texts, among them docstrings, help and error messages."""
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(io.StringIO(file.read()).readline):
            if token.type in (tokenize.COMMENT, tokenize.STRING) or token.type == getattr(
                tokenize, "FSTRING_MIDDLE", None
            ):
                yield path, token.start[0], token.string


def words_of_lines(path: Path, pattern: str) -> Iterator[Text]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if found := re.search(pattern, line):
            yield path, number, found[0]


@cache
def all_words() -> list[Text]:
    words = [each for path in python_files() for each in words_of_python(path)]
    words += [each for path in sorted((ROOT / "sql").rglob("*.sql")) for each in words_of_lines(path, r"--.*")]
    return words + [each for path in pages() for each in words_of_lines(path, r".+")]


def pages() -> list[Path]:
    """The English pages; the Chinese ones end in .zh-CN.md."""
    found = [*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))]
    return sorted(path for path in found if not path.name.endswith(".zh-CN.md"))


def shown(texts: Sequence[Text]) -> list[str]:
    return [f"{path.relative_to(ROOT)}:{line}: {text[:100]}" for path, line, text in texts]


def test_no_docstring_opens_with_a_question_word() -> None:
    assert shown([each for path in python_files() for each in docstrings(path) if OPENING.match(each[2])]) == []


@pytest.mark.parametrize("phrase", PHRASES)
def test_a_phrase_that_hides_what_is_meant_is_not_used(phrase: str) -> None:
    found = [each for each in all_words() if re.search(phrase, each[2])]
    assert shown(found) == [], f"write instead: {PHRASES[phrase]}"


@pytest.mark.parametrize(
    ("text", "is_riddle"),
    [
        ("What a phone is.", True),
        ("Whom to tell where nobody looks on.", True),
        ("Whether the gateway can be asked.", True),
        ("Progress callback that does nothing.", False),
        ("Whole files, synced to disk.", False),
    ],
)
def test_openings_are_recognised(text: str, is_riddle: bool) -> None:
    assert bool(OPENING.match(text)) == is_riddle

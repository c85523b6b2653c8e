"""The pages of the repository in both languages, and how they are read."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CHANGELOG: Final = ROOT / "CHANGELOG.md"

_FOLDERS: Final = ("pipelines", "sql", "notebooks", "tests")
_FENCED: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# Every page but the changelog, which is in English alone.
PAGES: Final = sorted(
    {*ROOT.glob("*.md"), *(page for folder in _FOLDERS for page in (ROOT / folder).rglob("*.md"))} - {CHANGELOG}
)
ENGLISH_PAGES: Final = [page for page in PAGES if not page.name.endswith(".zh-CN.md")]


def name_of(page: Path) -> str:
    """The page's path in the repository."""
    return page.relative_to(ROOT).as_posix()


def in_chinese(page: Path) -> Path:
    """The Chinese twin of an English page."""
    return page.with_suffix(".zh-CN.md")


def is_chinese(page: Path) -> bool:
    return page.name.endswith(".zh-CN.md")


def both(name: str) -> tuple[Path, Path]:
    """A page by its name without suffix, such as `sql/TABLES`, in English and in Chinese."""
    return ROOT / f"{name}.md", ROOT / f"{name}.zh-CN.md"


def blocks(page: Path) -> list[tuple[str, str]]:
    """The language and the text of every fenced block."""
    return _FENCED.findall(page.read_text(encoding="utf-8"))


def without_blocks(page: Path) -> str:
    return _FENCED.sub("", page.read_text(encoding="utf-8"))

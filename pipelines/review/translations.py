"""The texts that people read in English and in Chinese, from translations.csv.

A key is a section and a name. Sections that the program shows hold both languages: `review` (charts, notebooks, HTML
report, pages in the terminal) and `unit`. In the others `en` is empty, because the English stands in the code or in a
table, and only the Chinese is here: `next_step` (under the English text), and what `make docs` writes into the Chinese
pages. The meanings of codes stand in both languages in sql/reference/*.csv, and nowhere else.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args

from pipelines.formatting import duration, instant

Language = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

_FILE: Final = Path(__file__).parents[1] / "translations.csv"


class Translation(NamedTuple):
    """A text in both languages."""

    en: str
    zh: str


@cache
def section(name: str) -> Mapping[str, Translation]:
    """The texts of one section of translations.csv, by name."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): text for key, text in _texts().items() if key.startswith(prefix)}


@cache
def _texts() -> dict[str, Translation]:
    with _FILE.open(encoding="utf-8", newline="") as file:
        return {row["key"]: Translation(row["en"], row["zh"]) for row in csv.DictReader(file, strict=True)}


TEXTS: Final = section("review")


@dataclass(frozen=True)
class Texts:
    """The texts of one language, by name: `Texts("zh")("no_codes")`."""

    language: Language = "en"

    def __call__(self, name: str, /, **values: str) -> str:
        return self._choose(TEXTS[name]).format(**values)

    def of(self, row: dict[str, str], column: str) -> str:
        """A text that the table holds in both languages."""
        return row[column if self.language == "en" else f"{column}_zh"]

    def next_step(self, english: str) -> str:
        """A text of the tables' column what_to_do, which is in English only."""
        known = section("next_step").get(english)
        return self._choose(Translation(english, known.zh if known else english))

    def duration(self, seconds: float) -> str:
        """A duration with its unit, such as `4 h`."""
        number, _, unit = duration(seconds).partition(" ")
        return f"{number} {self._choose(section('unit')[unit])}"

    def points(self, difference: float) -> str:
        """A difference of two shares, in percentage points, without its sign."""
        return f"{abs(difference) * 100:.1f}"

    def instant(self, at: datetime) -> str:
        """An instant in China's time."""
        return instant(at)

    def _choose(self, text: Translation) -> str:
        return text.zh if self.language == "zh" else text.en

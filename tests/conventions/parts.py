"""The generated parts of the pages: `make docs` writes each between its markers, from the code that it describes.

A part stands on any page between `<!-- NAME: … -->` and `<!-- NAME: end -->`, in the language of the page. Its English
stands in the code, its Chinese in pipelines/translations.csv.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

from pipelines.cli.main import app
from pipelines.errors import EXIT_CODES
from pipelines.review.translations import Language, section
from pipelines.sandbox.answers import ERRORS
from pipelines.settings import described_settings
from pipelines.sql_files import reference_rows
from tests.conventions import tables
from tests.support.pages import PAGES, is_chinese, name_of

SECTIONS: Final = ("table", "setting", "command", "exit_code", "error_code", "sandbox_error")
UNSET: Final = "–"

_MARKED: Final = re.compile(r"<!-- (?P<name>[a-z-]+):[^>]*-->\n.*?<!-- (?P=name): end -->", re.DOTALL)


class Part(NamedTuple):
    """A part of a page: where its facts come from, and how its Markdown is made."""

    source: str
    markdown: Callable[[Language], str]


def english() -> dict[str, str]:
    """The English of all parts, as the code says it, by key of translations.csv."""
    texts = {f"table.{name}": text for name, text in tables.english().items()}
    texts |= {f"setting.{setting.full_name}": setting.description for setting in described_settings()}
    texts |= {f"command.{name}": summary for name, (summary, _) in _commands().items()}
    for code, exit_code in EXIT_CODES.items():
        texts |= {f"exit_code.{code}.{key}": text for key, text in exit_code._asdict().items() if text}
    texts |= {f"error_code.{row['error_code']}": row["action"] for row in reference_rows("error_codes")}
    texts |= {f"sandbox_error.{code}": error.trigger for code, error in ERRORS.items()}
    return texts


def texts_of(language: Language) -> dict[str, str]:
    """The texts of all parts in one language; a missing translation is empty, for which a test asks."""
    if language == "en":
        return english()
    translated = {f"{name}.{key}": text.zh for name in SECTIONS for key, text in section(name).items()}
    return {key: translated.get(key, "") for key in english()}


def _tables(language: Language) -> str:
    prefix = "table."
    texts = {key.removeprefix(prefix): text for key, text in texts_of(language).items() if key.startswith(prefix)}
    return tables.markdown(language, texts)


def _settings(language: Language) -> str:
    texts = texts_of(language)
    example = {"en": " For example `{}`.", "zh": "例如 `{}`。"}[language]
    return _table(
        {"en": ("setting", "default", "meaning"), "zh": ("配置项", "默认值", "含义")}[language],
        (
            (
                f"`{setting.full_name}`",
                UNSET if setting.default is None else f"`{setting.default}`",
                texts[f"setting.{setting.full_name}"] + (example.format(setting.example) if setting.example else ""),
            )
            for setting in described_settings()
        ),
    )


def _command_table(language: Language) -> str:
    texts = texts_of(language)
    return _table(
        {"en": ("command", "does", "for example"), "zh": ("命令", "做什么", "例子")}[language],
        ((f"`{name}`", texts[f"command.{name}"], f"`{example}`") for name, (_, example) in _commands().items()),
    )


def _commands() -> dict[str, tuple[str, str]]:
    """The commands in the order of --help: what each does, and the last example of its help."""
    found = {}
    for name in sorted((name for name in app if not name.startswith("-")), key=lambda name: app[name].sort_key):
        summary, *more = app[name].help.strip().split("\n\n")
        examples = re.findall(r"^ *((?:[A-Z_]+=\S+ )*smsrecon .*)$", "\n".join(more), re.MULTILINE)
        found[name] = (" ".join(summary.split()), examples[-1] if examples else f"smsrecon {name}")
    return found


def _exit_codes(language: Language) -> str:
    texts = texts_of(language)
    return _table(
        {"en": ("code", "means", "what to do"), "zh": ("码", "含义", "怎么办")}[language],
        (
            (f"`{code}`", texts[f"exit_code.{code}.meaning"], texts.get(f"exit_code.{code}.next_step", ""))
            for code in EXIT_CODES
        ),
    )


def _error_codes(language: Language) -> str:
    texts = texts_of(language)
    return _table(
        {"en": ("error code", "meaning", "what the sender does"), "zh": ("错误码", "含义", "发送方怎么做")}[language],
        (
            (
                f"`{row['error_code']}`",
                row["meaning" if language == "en" else "meaning_zh"],
                texts[f"error_code.{row['error_code']}"],
            )
            for row in reference_rows("error_codes")
        ),
    )


def _delivery_codes(language: Language) -> str:
    next_steps = section("next_step")
    return _table(
        {"en": ("code", "class", "meaning", "what to do"), "zh": ("状态码", "类别", "含义", "怎么办")}[language],
        (
            (f"`{row['code']}`", f"`{row['class']}`", row["meaning"], row["what_to_do"])
            if language == "en"
            else (f"`{row['code']}`", f"`{row['class']}`", row["meaning_zh"], next_steps[row["what_to_do"]].zh)
            for row in reference_rows("gateway_codes")
        ),
    )


def _statuses(language: Language) -> str:
    return _table(
        {"en": ("status", "means"), "zh": ("状态", "含义")}[language],
        (
            (f"`{row['status']}`", row["meaning" if language == "en" else "meaning_zh"])
            for row in reference_rows("statuses")
        ),
    )


def _sandbox_errors(language: Language) -> str:
    texts = texts_of(language)
    return _table(
        {"en": ("code", "what gives it"), "zh": ("错误码", "怎么得到")}[language],
        ((f"`{code}`", texts[f"sandbox_error.{code}"]) for code in ERRORS),
    )


PARTS: Final[dict[str, Part]] = {
    "tables": Part("pipelines/contracts", _tables),
    "settings": Part("pipelines/settings.py", _settings),
    "commands": Part("pipelines/cli", _command_table),
    "exit-codes": Part("pipelines/errors.py", _exit_codes),
    "error-codes": Part("sql/reference/error_codes.csv", _error_codes),
    "delivery-codes": Part("sql/reference/gateway_codes.csv", _delivery_codes),
    "statuses": Part("sql/reference/statuses.csv", _statuses),
    "sandbox-errors": Part("pipelines/sandbox/answers.py", _sandbox_errors),
}


def parts_of(page: Path) -> list[str]:
    """The names of the generated parts that stand on the page."""
    return [found["name"] for found in _MARKED.finditer(page.read_text(encoding="utf-8"))]


def with_parts(page: Path) -> str:
    """The text of the page with its generated parts up to date. Raises KeyError for a marker of no part."""
    language: Language = "zh" if is_chinese(page) else "en"

    def written(found: re.Match[str]) -> str:
        name = found["name"]
        part = PARTS[name]
        return (
            f"<!-- {name}: generated by 'make docs' from {part.source} -->\n\n{part.markdown(language)}\n\n"
            f"<!-- {name}: end -->"
        )

    return _MARKED.sub(written, page.read_text(encoding="utf-8"))


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join([_row(heads), "|---" * len(heads) + "|", *map(_row, rows)])


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    for page in PAGES:
        text = with_parts(page)
        if text != page.read_text(encoding="utf-8"):
            page.write_text(text, encoding="utf-8")
            print(name_of(page))  # noqa: T201

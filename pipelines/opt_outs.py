"""Replies that opt out of further messages, and those that may: the texts that count, as patterns for SQL.

A text is searched in its plain form, and polite words around it make no difference. Patterns are those of RE2.
"""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import polars as pl

# What people put before or after a word without changing its meaning, the longer ones first.
_BEFORE: Final = (
    "回复", "回覆", "发送", "發送", "我要", "我想", "麻烦", "麻煩", "申请", "申請", "要求", "你好", "您好", "帮我",
    "幫我", "给我", "給我", "回", "请", "請", "please", "pls", "reply",
)  # fmt: skip
_AFTER: Final = ("谢谢", "謝謝", "多谢", "吧", "了", "thank you", "thanks", "please", "pls")
_NOTHING: Final = r"[^\x00-\x{10FFFF}]"


def plain(text: "pl.Expr") -> "pl.Expr":
    """The form in which opt-outs are searched: NFKC, lower case, one blank for all but letters and digits.

    A signature such as 【公司】 is left out unless it is the whole text.
    """
    letters = text.str.normalize("NFKC").str.to_lowercase()
    for signature in (r"^\s*【[^【】]*】(.*[\p{L}\p{N}].*)$", r"^(.*[\p{L}\p{N}].*)【[^【】]*】\s*$"):
        letters = letters.str.replace(f"(?s){signature}", "$1")
    return letters.str.replace_all(r"[^\p{L}\p{N}]+", " ").str.strip_chars()


def patterns(words: Sequence[str], ambiguous: Iterable[str]) -> tuple[str, str]:
    """The patterns of plain texts that opt out, and of those that hold a word without surely opting out.

    A word opts out wherever a text begins with it. One that is `ambiguous`, or a single letter, must be the whole text;
    a letter may also stand before an unambiguous word. Latin words end where letters and digits end. Blanks within a
    word make no difference.
    """
    every = _plain_words(words)
    vague = {*_plain_words(ambiguous), *(word for word in every if len(word) == 1)}
    certain = [word for word in every if word not in vague]
    letters = [word for word in every if len(word) == 1]
    before, after = f"(?:{_any(map(_bounded, _BEFORE))} ?)*", f"(?: ?{_any(map(_bounded, _AFTER))})*"
    whole = f"{_any(map(_spaced, every))}{after}$"
    begins = f"(?:{_any(map(_bounded, letters))} ?)*{_any(map(_bounded, certain))}"
    holds = _any([*(_loosely(word) for word in every if len(word) > 1)])
    return f"^{before}(?:{whole}|{begins})", f"{holds}|^{before}{_any(map(_bounded, letters))}"


def _plain_words(words: Iterable[str]) -> list[str]:
    """The words in plain form without blanks, each once, the longest first; so that no word hides a longer one."""
    import polars as pl  # noqa: PLC0415  settings are read without it

    column = pl.Series([*words], dtype=pl.String).to_frame("word")
    found = column.select(plain(pl.col("word")).str.replace_all(" ", "")).to_series().to_list()
    return sorted({word for word in found if word}, key=lambda word: (-len(word), word))


def _any(forms: Iterable[str]) -> str:
    """One of these patterns; without any, a pattern that nothing matches."""
    return f"(?:{'|'.join(forms) or _NOTHING})"


def _is_latin(character: str) -> bool:
    return bool(re.match("[a-z0-9]", character))


def _spaced(word: str) -> str:
    """A word with or without blanks between its letters."""
    return " ?".join(map(re.escape, word))


def _bounded(word: str) -> str:
    """A word that is not part of a longer Latin one; between other letters blanks make no difference."""
    start, end = (r"\b" if _is_latin(character) else "" for character in (word[0], word[-1]))
    return start + (re.escape(word) if start else _spaced(word)) + end


def _loosely(word: str) -> str:
    """A word of letters that a Latin word begins or ends with, or that stand anywhere between others."""
    if not _is_latin(word[0]):
        return _spaced(word)
    return rf"\b{re.escape(word)}|{re.escape(word)}\b|\b{_spaced(word)}\b"

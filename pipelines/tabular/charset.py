"""The text of bytes whose charset nobody names: UTF-8, UTF-16 or GBK, with or without a byte order mark.

Files of others and standard input are read by this one rule.
"""

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from typing import Final

_MAX_DAMAGE: Final = 0.25  # bad places per character beyond ASCII; GBK read as UTF-8 has more than one
_FIVE_DIGITS: Final = re.compile("[0-9]{5}")  # part of a phone: whatever is read here has some


class UnknownCharset(ValueError):
    """The bytes are text in none of the charsets."""


def text_of(body: bytes) -> str:
    """The text, without a byte order mark. Raises UnknownCharset.

    A few bad bytes, such as half a character at the end, don't make it another charset: each becomes U+FFFD.
    """
    for text in _readings(body):
        if "\0" not in text:
            return text
    raise UnknownCharset


def _readings(body: bytes) -> Iterator[str]:
    if body.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        yield body.decode("utf-16", "replace")
    elif b"\0" in body:
        texts = (body.decode(charset, "replace") for charset in ("utf-16-le", "utf-16-be"))
        yield from (text for text in texts if _FIVE_DIGITS.search(text))
    else:
        texts = (body.decode(charset, "replace") for charset in ("utf-8-sig", "gb18030"))
        yield from (text for text in texts if _is_slightly_damaged(text))


def _is_slightly_damaged(text: str) -> bool:
    """True also for a text without damage."""
    bad = text.count("\ufffd")
    return bad == 0 or bad <= _MAX_DAMAGE * (sum(sign > "\x7f" for sign in text) - bad)

"""The text of bytes whose charset nobody names: UTF-8, UTF-16, GBK or Big5, with or without a byte order mark.

Files of others and standard input are read by this one rule.
"""

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from typing import Final

from pipelines.gateway.document import is_utf8

_FIVE_DIGITS: Final = re.compile("[0-9]{5}")  # part of a phone: whatever is read here has some
_ENOUGH: Final = 6  # characters, to tell Big5 from GBK in all but one text of thousands; shorter ones are read as GBK
_TWO_BYTES: Final = re.compile(rb"[\x81-\xfe][\x40-\xfe]")
_REPLACEMENT: Final = "\ufffd"


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
    elif is_utf8(body):
        yield body.decode("utf-8-sig", "replace")
    elif _is_big5(body):
        yield body.decode("big5hkscs", "replace")
    elif _is_gbk(body):
        yield body.decode("gb18030", "replace")


def _is_big5(body: bytes) -> bool:
    """True if nearly all characters are frequent ones of Big5, and not those of GBK: their bytes overlap.

    Simplified Chinese in GBK is made of its first level, and so is half of Big5 read as GBK. Traditional Chinese in GBK
    has first bytes that Big5 has not.
    """
    characters = [each for each in _TWO_BYTES.findall(body) if not b"\xa1" <= each[:1] <= b"\xa3"]  # signs of both
    in_big5 = sum(b"\xa4" <= each[:1] <= b"\xc6" for each in characters)
    in_gbk = sum(b"\xb0" <= each[:1] <= b"\xd7" and each[1:] >= b"\xa1" for each in characters)
    return len(characters) >= _ENOUGH and in_big5 * 10 >= len(characters) * 9 and in_gbk * 10 < len(characters) * 8


def _is_gbk(body: bytes) -> bool:
    """True for GBK with a few bad places too; nearly all bytes are valid in it, so four good characters a bad one."""
    text = body.decode("gb18030", "replace")
    bad = text.count(_REPLACEMENT)
    return 4 * bad <= sum(sign > "\x7f" for sign in text) - bad

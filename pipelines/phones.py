"""Chinese mobile phones: their form, how they are read from what people write, and how they are masked.

Expressions are polars' own, but polars isn't imported: a command that fails masks its error line before polars, which
takes half a second, has been loaded.
"""

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final, overload

if TYPE_CHECKING:
    import polars as pl

PHONE: Final = "^1[3-9][0-9]{9}$"
TOMBSTONE: Final = "^10[0-9]{9}$"  # in the place of a phone that was erased
MASK: Final = "****"

# The classes are spelled out, so that Python and polars read the same.
_WHITE: Final = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_INVISIBLE: Final = (  # format characters that copying from a page or a sheet leaves
    "\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufeff\ufff9-\ufffb\U00010d6e\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
_DASHES: Final = (
    r"\-"
    "\u058a\u05be\u1400\u1806\u2010-\u2015\u2212\u2e17\u2e1a\u2e3a\u2e3b\u2e40\u2e5d\u301c\u3030\u30a0\ufe31\ufe32"
    "\ufe58\ufe63\uff0d\U00010ead"
)
_BRACKETS: Final = r"()\[\]" "\uff08\uff09\uff3b\uff3d"
_APOSTROPHES: Final = "'\u2018\u2019\uff07`"
_GAP: Final = f"[{_WHITE}{_INVISIBLE}{_DASHES}{_BRACKETS}{_APOSTROPHES}]"
_BETWEEN_GROUPS: Final = "[._/·]"  # not between other digits: there it is a point, or a part of a date
_ASCII_OF: Final = dict(zip("０１２３４５６７８９＋", "0123456789+", strict=True))
# Digits by which a phone is found and masked; those of Arabic and Persian are not read, so nothing is sent to such.
_DIGITS_OF: Final = ("0123456789", "０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹")

# What may stand before the eleven digits: China's prefix, and the 0 that is dialled before a number of another city.
_PREFIX: Final = r"(?:(?:\+?0{0,2}86)?0?)"
_NATIONAL: Final = rf"^{_PREFIX}(1[3-9][0-9]{{9}})(?:\.0*)?$"  # .0: a whole number that was written as a float

# A number of another country: + or 00 with another code; one of Hong Kong, Macau and Taiwan without these; and one of
# North America, whose 1 stands apart: without its gaps it would be a mobile of China.
_ABROAD: Final = r"^(?:\+|00)(?:[1-79]|8[0-57-9])|^85[23][0-9]{8}$|^8860?9[0-9]{8}$"
_APART: Final = f"[{_WHITE}{_DASHES}{_BRACKETS}.]"
_NORTH_AMERICAN: Final = rf"^{_APART}*1{_APART}+[0-9]{{3}}{_APART}*[0-9]{{3}}{_APART}*[0-9]{{4}}{_APART}*$"

_ROUNDED: Final = r"^1\.[3-9][0-9]*[eE]\+?10$"  # 1.38E+10: as a sheet shows and saves a phone in a narrow column

# Where a phone is found in a text; the groups are the three and the four digits that a mask leaves. In this order, so
# that no number before a phone is taken for its beginning. N stands for a digit, _ for a gap.


def _digit(first: int, last: int) -> str:
    """A pattern of a digit from `first` to `last`, however it is written."""
    return "[" + "".join(f"{digits[first]}-{digits[last]}" for digits in _DIGITS_OF) + "]"


_N: Final = _digit(0, 9)
_FIRST: Final = f"{_digit(1, 1)}_{_digit(3, 9)}_{_N}"


def _pattern(form: str, gap: str = "") -> str:
    return form.replace("N", _N).replace("_", gap)


_IN_ONE_PIECE: Final = _pattern(f"({_FIRST})N{{4}}(N{{4}})")
_IN_GROUPS: Final = _pattern(f"({_pattern(_FIRST)})(?:_+N{{4}}_*|#N{{4}}#)(N{{4}})", _GAP).replace("#", _BETWEEN_GROUPS)
_IN_THOUSANDS: Final = _pattern(f"({_digit(1, 1)}{_digit(3, 9)})(?:#N{{3}}){{2}}#(N{{3}})").replace("#", "[,，]")
_AS_FLOAT: Final = r"(1\.[3-9][0-9])[0-9]{5,}([eE]\+?10)"  # with fewer digits it is rounded, and tells little
_SPREAD: Final = f"{_IN_GROUPS}|{_IN_THOUSANDS}|{_AS_FLOAT}"
_SPACED: Final = _pattern(f"({_FIRST})_(?:N_){{4}}(N_N_N_N)", f"{_GAP}*")
_ZERO: Final = _digit(0, 0)
_SPACED_PREFIX: Final = _pattern(
    f"(?:[+＋]?_(?:{_ZERO}_){{0,2}}{_digit(8, 8)}_{_digit(6, 6)}_)?(?:{_ZERO}_)?", f"{_GAP}*"
)
_WHOLE: Final = _pattern(  # all that `national` makes a phone
    f"^_{_SPACED_PREFIX}{_SPACED}_(?:\\._(?:{_ZERO}_)*)?$",
    f"{_GAP}*",
)
# Each with the number of its forms; a form has a group that stays before the mask, and one after it.
_PATTERNS: Final = {_IN_ONE_PIECE: 1, _SPREAD: 3, _WHOLE: 1}
_ALONE: Final = rf"(?<!\d){_IN_ONE_PIECE}(?!\d)"
_DIGITS: Final = rf"\d(?:{_GAP}*\d)*"
_DIGITS_OF_A_PERSON: Final = rf"\d{{10}}|{_SPACED}"  # ten could be a phone with a slip in it


def national(phone: "pl.Expr") -> "pl.Expr":
    """The eleven digits of a Chinese mobile phone, however it is written; anything else stays as it is.

    Left out are blanks, invisible signs, dashes, brackets and apostrophes, China's prefix, a 0 before it, and the .0 of
    a whole float. Full-width digits are digits. What begins with a dash is a negative number, and no phone.
    """
    return phone.map_batches(_national)


def phone_number(phone: "pl.Expr") -> "pl.Expr":
    """A phone of eleven digits as an integer; null for anything that PHONE doesn't match.

    The pattern takes three times as long for a column, and integers are sorted and joined several times faster.
    """
    import polars as pl  # noqa: PLC0415  see above

    number = phone.cast(pl.Int64, strict=False)  # in eleven bytes a number so large has no sign and no zero before it
    is_phone = (phone.str.len_bytes() == 11) & number.is_between(13_000_000_000, 19_999_999_999)
    return pl.when(is_phone).then(number)


def is_foreign(phone: "pl.Expr") -> "pl.Expr":
    """True for a phone of another country, which is recognised by its prefix or its groups of digits."""
    visible = _in_ascii(phone).str.replace_all(f"[{_INVISIBLE}]", "")
    bare = visible.str.replace_all(_GAP, "")
    return bare.str.contains(_ABROAD) | visible.str.contains(_NORTH_AMERICAN)


def in_one_piece(number: "pl.Expr") -> "pl.Expr":
    """Any number without the gaps that may stand within a phone, its digits in ASCII."""
    return _in_ascii(number).str.replace_all(_GAP, "")


def without_prefix(phone: "pl.Expr") -> "pl.Expr":
    """A phone of the gateway's own records: `national`, or without China's prefix where eleven digits remain.

    Foreign and special numbers report and reply too, and are kept as they come.
    """
    return national(phone).str.replace("^(?:\\+86|0086|86)([0-9]{11})$", "$1")


def _national(phones: "pl.Series") -> "pl.Series":
    """`national` of a column; one that has nothing but phones, as most have, is not searched further."""
    import polars as pl  # noqa: PLC0415  see above

    phone = pl.col("phone")
    is_other = phone.is_not_null() & phone_number(phone).is_null()
    others = phones.to_frame("phone").select(is_other).to_series().arg_true()
    if others.is_empty():
        return phones
    given = pl.col("given")
    bare = in_one_piece(given).str.extract(_NATIONAL)
    is_negative = given.str.contains(f"^[{_WHITE}{_INVISIBLE}]*[{_DASHES}]")
    is_refused = is_negative | is_foreign(given)
    read = phones.gather(others).to_frame("given").select(pl.when(~is_refused).then(bare).fill_null(given)).to_series()
    return read.alias(phones.name) if read.len() == phones.len() else phones.clone().scatter(others, read)


def _in_ascii(text: "pl.Expr") -> "pl.Expr":
    return text.str.replace_many(_ASCII_OF)


def spaced_digits(phone: str) -> str:
    """A pattern of the digits of this phone however they are spaced, without its prefix. `phone` is national."""
    digits = [_digit(int(digit), int(digit)) for digit in phone]

    def grouped(*ends: int) -> list[str]:
        return ["".join(digits[start:end]) for start, end in pairwise((0, *ends, 11))]

    mantissa = phone[1:].rstrip("0").ljust(7, "0")
    return "|".join(
        (
            f"{_GAP}*".join(digits),
            _BETWEEN_GROUPS.join(grouped(3, 7)),
            "[,，]".join(grouped(2, 5, 8)),
            rf"1\.{mantissa}0*[eE]\+?10",
        )
    )


def written(phone: str) -> str:
    """A pattern of this phone however it is written; its only group is the prefix. `phone` is national."""
    return f"({_SPACED_PREFIX})(?:{spaced_digits(phone)})"


def phones_in_lines(text: str) -> list[str]:
    """The words of a text that are to be phones, as they are; a line that is one phone is one word."""
    import polars as pl  # noqa: PLC0415  see above

    lines = pl.DataFrame({"line": text.splitlines()}, schema={"line": pl.String})
    is_phone = lines.select(national(pl.col("line")).str.contains(PHONE)).to_series()
    return [
        word
        for line, is_one in zip(lines["line"], is_phone, strict=True)
        for word in ([line.strip()] if is_one else line.split())
    ]


def holds(text: "pl.Expr", phone: str) -> "pl.Expr":
    """True for a text that is this phone or holds it, as -138… or two in a cell, however it is written.

    `phone` is national.
    """
    return text.str.contains(f"(?:^|[^0-9]){written(phone)}(?:[^0-9]|$)").fill_null(value=False)


def has_unread_phone(text: "pl.Expr") -> "pl.Expr":
    """True for a text that is no phone of China or abroad but holds one, as two in a cell, or is a rounded one."""
    is_read = national(text).str.contains(PHONE) | is_foreign(text)
    return text.str.contains("|".join((*_PATTERNS, _ROUNDED))) & ~is_read


def has_phone(text: str) -> bool:
    """True for a text that holds a phone: in one piece or in groups of 3, 4 and 4 digits, or alone in any way."""
    return any(re.search(pattern, text) for pattern in _PATTERNS)


def masked(phone: "pl.Expr") -> "pl.Expr":
    """138****8000 for a national phone; for anything else the mask alone, since it could be anything."""
    first = phone.str.extract("^(1[3-9][0-9])[0-9]{8}$")
    return (first + MASK + phone.str.tail(4)).fill_null(MASK)


def ends_only(number: str) -> str:
    """The first three and the last four characters of a number; the mask alone for a short one, or for other text."""
    return f"{number[:3]}{MASK}{number[-4:]}" if len(number) >= 10 and number.isascii() else MASK


@overload
def mask_in_text(text: str) -> str: ...
@overload
def mask_in_text(text: "pl.Expr") -> "pl.Expr": ...
def mask_in_text(text: "str | pl.Expr") -> "str | pl.Expr":
    """A text whose phones are masked: in one piece, in groups, as a float, or alone in any way.

    Whatever `national` would make a phone is masked. Phones that are spaced in other ways within a text are not: what
    is kept has numbers of batches and dates beside each other, which must stay different.
    """
    if isinstance(text, str):
        for pattern, forms in _PATTERNS.items():
            text = re.sub(pattern, _masked_by(forms, r"\{}"), text)
        return text
    for pattern, forms in _PATTERNS.items():
        text = text.str.replace_all(pattern, _masked_by(forms, "${{{}}}"))
    return text


def _masked_by(forms: int, group: str) -> str:
    """The replacement for a phone that a pattern of as many forms finds; `group` is how one refers to a group."""
    return MASK.join("".join(group.format(2 * form + side) for form in range(forms)) for side in (1, 2))


def mask_numbers_in_text(text: str) -> str:
    """A text for people to read, with phones masked in any spacing, and all numbers of ten digits or more."""

    def mask(found: re.Match[str]) -> str:
        return ends_only(re.sub(r"\D", "", found[0])) if re.search(_DIGITS_OF_A_PERSON, found[0]) else found[0]

    for pattern, forms in ((_ALONE, 1), (_SPREAD, 3)):  # first, so that a number before a phone stays
        text = re.sub(pattern, _masked_by(forms, r"\{}"), text)
    return re.sub(_DIGITS, mask, text)

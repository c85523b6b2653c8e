"""The numbers of messages and batches: made from a campaign's key and a position in its plan, and read back.

message_id   = campaign key * 2^28 + position in the plan
mission_num  = the key as 7 base-32 characters, then the position as 9 digits
batch_num    = the key as 7 base-32 characters, then B, then a counter as 8 digits
"""

import hmac
import re
from collections.abc import Collection
from typing import Final, TypeVar

import polars as pl

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U
KEY_BITS = 35  # seven base-32 characters
POSITION_BITS = 28
MAX_MESSAGES = 1 << POSITION_BITS

_KEY_CHARACTERS: Final = KEY_BITS // 5
_POSITION_DIGITS: Final = len(str(MAX_MESSAGES - 1))

MOST_BATCHES: Final = 10**8 - 1  # of a campaign
_DIGITS: Final = str.maketrans(ALPHABET, "0123456789abcdefghijklmnopqrstuv")  # those of Python
_BATCH_NUM: Final = re.compile(f"[{ALPHABET}]{{{_KEY_CHARACTERS}}}B[0-9]{{8}}")
MISSION_NUM: Final = f"^[{ALPHABET}]{{{_KEY_CHARACTERS}}}[0-9]{{{_POSITION_DIGITS}}}$"
# Goes before a pattern of eleven digits that are not to be the end of a mission number: with two digits of the key,
# its position can look like a phone.
NOT_IN_MISSION_NUM: Final = f"(?<![{ALPHABET}]{{{_KEY_CHARACTERS + _POSITION_DIGITS - 11}}})"

Position = TypeVar("Position", int, pl.Expr)


def campaign_key(secret: str, installation: str, campaign_id: str, *, taken: Collection[int]) -> int:
    """35 bits of a hash of both names keyed with the `secret`, salted until it is not among the keys `taken`."""
    salt = 0
    while True:
        names = f"{installation}\0{campaign_id}\0{salt}"
        digest = hmac.digest(secret.encode(), names.encode(), "sha256")
        key = int.from_bytes(digest[:8], "big") >> (64 - KEY_BITS)
        if key not in taken:
            return key
        salt += 1


def key_text(key: int) -> str:
    """The seven characters that all numbers of a campaign start with."""
    return "".join(ALPHABET[(key >> shift) & 31] for shift in range(KEY_BITS - 5, -1, -5))


def batch_num(key: int, number: int) -> str:
    """The number of the campaign's `number`-th request."""
    return f"{key_text(key)}B{number:08}"


def batch_number(batch_num: str) -> int:
    """The number of the request that has this batch_num; 0 for one that isn't of this form."""
    return int(batch_num[_KEY_CHARACTERS + 1 :]) if _BATCH_NUM.fullmatch(batch_num) else 0


def batch_key_and_number(batch_num: str) -> tuple[int, int] | None:
    """The campaign key and the number that a batch_num was made of; None for one that isn't of this form."""
    if not _BATCH_NUM.fullmatch(batch_num):
        return None
    return _key(batch_num[:_KEY_CHARACTERS]), int(batch_num[_KEY_CHARACTERS + 1 :])


def message_id(key: int, position: Position) -> Position:
    """The ids of the messages at these positions of a campaign's plan."""
    return position + (key << POSITION_BITS)


def position_of(message_id: pl.Expr) -> pl.Expr:
    """The positions in their plans of these messages."""
    return message_id & (MAX_MESSAGES - 1)


def mission_num(key: int, position: pl.Expr) -> pl.Expr:
    """The mission numbers of the messages at these positions of a campaign's plan."""
    digits = (position + 10**_POSITION_DIGITS).cast(pl.String).str.slice(1)  # zfill takes three times as long
    return pl.concat_str(pl.lit(key_text(key)), digits)


def message_ids(mission_nums: pl.Series) -> pl.Series:
    """The ids of the messages that these mission numbers were made for; null for numbers that aren't ours."""
    key_text = pl.col("mission_num").str.head(_KEY_CHARACTERS)
    position = pl.col("mission_num").str.slice(_KEY_CHARACTERS).cast(pl.Int64, strict=False)
    is_derived = pl.col("mission_num").str.contains(MISSION_NUM) & (position < MAX_MESSAGES)
    frame = pl.DataFrame({"mission_num": mission_nums}, schema={"mission_num": pl.String})
    keys = {text: _key(text) for text in frame.filter(is_derived).select(key_text.unique()).to_series()}
    key = key_text.replace_strict(list(keys), list(keys.values()), default=None, return_dtype=pl.Int64)
    return frame.select(message_id=pl.when(is_derived).then(key * MAX_MESSAGES + position)).to_series()


def _key(text: str) -> int:
    return int(text.translate(_DIGITS), 32)

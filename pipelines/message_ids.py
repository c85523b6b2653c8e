"""The numbers of messages and batches: how a campaign's key and a position become a number, and are read back.

message_id   = campaign key * 2^28 + position in the plan
mission_num  = the key as 7 base-32 characters, then the position as 9 digits
batch_num    = the key as 7 base-32 characters, then B, then a counter as 8 digits
"""

import hashlib
from collections.abc import Collection
from typing import Final

import polars as pl

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U
KEY_BITS = 35  # seven base-32 characters
POSITION_BITS = 28
MAX_MESSAGES = 1 << POSITION_BITS

_KEY_CHARACTERS: Final = KEY_BITS // 5
_DERIVED_MISSION_NUM: Final = f"^[{ALPHABET}]{{{_KEY_CHARACTERS}}}[0-9]{{9}}$"


def campaign_key(installation: str, campaign_id: str, *, taken: Collection[int]) -> int:
    """35 bits of a hash of both names, salted until no other campaign has it."""
    salt = 0
    while True:
        digest = hashlib.sha256(f"{installation}\0{campaign_id}\0{salt}".encode()).digest()
        key = int.from_bytes(digest[:8], "big") >> (64 - KEY_BITS)
        if key not in taken:
            return key
        salt += 1


def key_text(key: int) -> str:
    """The seven characters that all numbers of a campaign start with."""
    return "".join(ALPHABET[(key >> shift) & 31] for shift in range(KEY_BITS - 5, -1, -5))


def batch_num(key: int, number: int) -> str:
    """The name of the campaign's `number`-th request."""
    return f"{key_text(key)}B{number:08}"


def message_ids(mission_nums: pl.Series) -> pl.Series:
    """The message ids that mission numbers of ours were made from; null for all others."""
    key_text = pl.col("mission_num").str.head(_KEY_CHARACTERS)
    position = pl.col("mission_num").str.slice(_KEY_CHARACTERS).cast(pl.Int64, strict=False)
    is_derived = pl.col("mission_num").str.contains(_DERIVED_MISSION_NUM) & (position < MAX_MESSAGES)
    frame = pl.DataFrame({"mission_num": mission_nums}, schema={"mission_num": pl.String})
    keys = {text: _key(text) for text in frame.filter(is_derived).select(key_text.unique()).to_series()}
    key = key_text.replace_strict(list(keys), list(keys.values()), default=None, return_dtype=pl.Int64)
    return frame.select(message_id=pl.when(is_derived).then(key * MAX_MESSAGES + position)).to_series()


def _key(text: str) -> int:
    key = 0
    for character in text:
        key = key * 32 + ALPHABET.index(character)
    return key

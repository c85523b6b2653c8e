"""What a phone is: a Chinese mobile number of 11 digits, and how one is read from what people write."""

import polars as pl

PHONE = "^1[3-9][0-9]{9}$"


def national(phone: pl.Expr) -> pl.Expr:
    """A phone without white space (visible or not), dashes and the country's prefix; PHONE says whether it is one.

    What begins with a dash is a negative number, and none.
    """
    bare = phone.str.replace_all(r"[\s\p{Cf}\p{Pd}−]", "").str.replace(r"^(?:\+86|0086|86)", "")
    return pl.when(phone.str.contains(r"^[\s\p{Cf}]*[\p{Pd}−]")).then(phone).otherwise(bare)

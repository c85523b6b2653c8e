"""Phones are read, found and masked by one rule: whatever the planner would send to, the mask hides."""

import re

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.phones import PHONE, has_phone, holds, mask_in_text, mask_numbers_in_text, masked, national

WRITTEN = (
    "13800138000",
    "138 0013 8000",
    "138-0013-8000",
    "+86 138-0013-8000",
    "0086138 00138000",
    "86-1380013-8000",
    "1 3 8 0 0 1 3 8 0 0 0",
    "138\u200b0013\u200b8000",
    "138\u00a00013\u00a08000",
    "138–0013–8000",
    "+8 6 1380 013 8000",
    "\ufeff13800138000\u2060",
)
GAPS = ("", "", "", " ", "-", "  ", "–", "−", "\u200b", "\u00a0", "\u3000", "\ufeff", "\n", "\t")
PREFIXES = ("", "86", "+86", "0086")


@st.composite
def spaced(draw: st.DrawFn) -> str:
    digits = draw(st.sampled_from(PREFIXES)) + draw(st.from_regex(PHONE.replace("$", r"\Z"), fullmatch=True))
    return "".join(character + draw(st.sampled_from(GAPS)) for character in digits)


def ask(expression: pl.Expr) -> object:
    return pl.select(expression).item()


def digits(text: str) -> str:
    return re.sub("[^0-9]", "", text)


def test_what_may_stand_between_digits_is_all_white_space_invisible_signs_and_dashes() -> None:
    signs = [chr(code) for code in range(0x20000) if not 0xD800 <= code < 0xE000]
    signs += [chr(code) for code in range(0xE0000, 0xE0100)]  # all planes that have such signs
    frame = pl.DataFrame({"sign": signs}).select(
        "sign", phone=national(pl.concat_str(pl.lit("138"), "sign", pl.lit("00138000")))
    )
    left_out = frame.filter(pl.col("phone") == "13800138000")["sign"].to_list()
    assert left_out == frame.filter(pl.col("sign").str.contains(r"^[\s\p{Cf}\p{Pd}−]$"))["sign"].to_list()


@pytest.mark.parametrize("written", WRITTEN)
def test_a_phone_is_masked_however_it_is_written(written: str) -> None:
    assert ask(national(pl.lit(written))) == "13800138000"
    assert has_phone(written)
    for shown in (
        mask_in_text(written),
        ask(mask_in_text(pl.lit(written))),
        mask_numbers_in_text(f"of '{written}' is"),
    ):
        assert "****" in str(shown)
        assert "0013" not in digits(str(shown))


@given(spaced())
@example("-13800138000")
def test_whatever_the_planner_takes_for_a_phone_is_masked(written: str) -> None:
    phone = ask(national(pl.lit(written)))
    if not re.fullmatch(PHONE, str(phone)):
        return
    first, last = str(phone)[:3], str(phone)[7:]
    assert digits(mask_in_text(written)).endswith(first + last)
    shown = digits(mask_numbers_in_text(f"'{written}' is no id"))
    assert shown.endswith(first + last) or (len(shown) == 7 and shown.endswith(last))
    assert has_phone(written)


@given(st.one_of(spaced(), st.text("1389 -+\u200b–x0", max_size=30)))
def test_a_text_and_a_column_are_masked_alike(text: str) -> None:
    assert ask(mask_in_text(pl.lit(text))) == mask_in_text(text)


@pytest.mark.parametrize("before", ["15 ", "row 1390 ", "1512345 ", "2026-01-15 "])
@pytest.mark.parametrize("written", ["13800138000", "138 0013 8000", "138-00138000"])
def test_a_number_before_a_phone_is_not_taken_for_its_beginning(before: str, written: str) -> None:
    for shown in (mask_in_text(before + written), mask_numbers_in_text(before + written)):
        assert shown == f"{before}138****8000"


@pytest.mark.parametrize(
    "text", ["2026-11-30 08:00:00", "2026-01-31-20260201", "9E0K2T0B00000012", "EC:0138", "13,000 rows"]
)
def test_dates_and_numbers_of_batches_are_no_phones(text: str) -> None:
    assert mask_in_text(text) == text
    assert not has_phone(text)


@pytest.mark.parametrize("number", ["2380013800", "238001380012345", "13800138000123"])
def test_for_people_any_long_number_is_masked(number: str) -> None:
    assert mask_numbers_in_text(f"of {number} is") == f"of {number[:3]}****{number[-4:]} is"


def test_what_is_no_phone_shows_nothing_of_itself() -> None:
    phones = pl.DataFrame({"phone": ["13800138000", "张三", "138001380001", "10012345678", "", None]})
    assert phones.select(masked(pl.col("phone"))).to_series().to_list() == ["138****8000", *["****"] * 5]


def test_a_phone_is_held_by_what_has_its_digits() -> None:
    cells = ["13800138000", "+86 138-0013-8000", "-13800138000", "13900139000,13800138000", "138001380001", None]
    held = pl.DataFrame({"cell": cells}).select(holds(pl.col("cell"), "13800138000")).to_series()
    assert held.to_list() == [True, True, True, True, False, False]

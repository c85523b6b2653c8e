"""Phones are read, found and masked by one rule: whatever the planner would send to, the mask hides."""

import re
import unicodedata

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.phones import (
    PHONE,
    has_phone,
    holds,
    is_foreign,
    mask_in_text,
    mask_numbers_in_text,
    masked,
    national,
    phone_number,
    written,
)

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
    "１３８００１３８０００",
    "＋８６　138（0013）8000",
    "(+86) 138 0013 8000",
    "[86]13800138000",
    "+86 (0) 138 0013 8000",
    "086-138-0013-8000",
    "013800138000",
    "'13800138000",
    "‘138’0013’8000",
    "13800138000.0",
    "+86 13800138000.00",
)
ABROAD = (
    "1-415-555-2671",
    "1 (415) 555-2671",
    "1.415.555.2671",
    "1 4155552671",
    "+14155552671",
    "＋1 415 555 2671",
    "+13800138000",
    "0013800138000",
    "+85291234567",
    "00852 9123 4567",
    "852-9123-4567",
    "85366123456",
    "886 912 345 678",
    "8860912345678",
    "+49 1512 3456789",
)
GAPS = ("", "", "", " ", "-", "  ", "–", "−", "\u200b", "\u00a0", "\u3000", "\ufeff", "\n", "\t", *"()[]（）'’")
PREFIXES = ("", "86", "+86", "0086", "086", "0", "+860")
FULL_WIDTH = str.maketrans("0123456789+", "０１２３４５６７８９＋")


@st.composite
def spaced(draw: st.DrawFn) -> str:
    digits = draw(st.sampled_from(PREFIXES)) + draw(st.from_regex(PHONE.replace("$", r"\Z"), fullmatch=True))
    written = "".join(character + draw(st.sampled_from(GAPS)) for character in digits) + draw(
        st.sampled_from(["", "", ".0"])
    )
    return draw(st.sampled_from([written, written.translate(FULL_WIDTH)]))


@st.composite
def phones_as_written(draw: st.DrawFn) -> tuple[str, str]:
    """A phone and a text that is it; after a 1 alone there is no gap, since North America's numbers have one there."""
    phone = draw(st.from_regex(PHONE.replace("$", r"\Z"), fullmatch=True))
    digits = draw(st.sampled_from(PREFIXES)) + phone
    start = digits[: len(digits) - 10]
    written = start + "".join(draw(st.sampled_from(GAPS)) + digit for digit in phone[1:]) if start == "1" else ""
    written = written or "".join(digit + draw(st.sampled_from(GAPS)) for digit in digits)
    written = (
        draw(st.sampled_from(["", " ", "\t", "'", "(", "\u202a"])) + written + draw(st.sampled_from(["", ".0", ".00"]))
    )
    return phone, draw(st.sampled_from([written, written.translate(FULL_WIDTH)]))


@st.composite
def abroad(draw: st.DrawFn) -> str:
    """A number of another country: with its prefix, or in the groups of North America."""
    number = draw(st.from_regex(r"\A[2-9][0-9]{9}\Z"))
    gaps = [draw(st.sampled_from([" ", "-", ".", " - ", "\u00a0", "–"])) for _ in range(3)]
    grouped = f"1{gaps[0]}{number[:3]}{gaps[1]}{number[3:6]}{gaps[2]}{number[6:]}"
    code = draw(st.sampled_from(["1", "7", "44", "81", "852", "853", "886", "998"]))
    return draw(st.sampled_from([grouped, f"+{grouped}", f"+{code}{gaps[0]}{number}", f"00{code}{number}"]))


def ask(expression: pl.Expr) -> object:
    return pl.select(expression).item()


def digits(text: str) -> str:
    """All digits of a text, without the .0 of a float."""
    return re.sub(r"\.[^0-9]*0+(?!\d)|[^0-9]", "", unicodedata.normalize("NFKC", text))


def test_what_may_stand_between_digits_is_all_white_space_invisible_signs_and_dashes() -> None:
    signs = [chr(code) for code in range(0x20000) if not 0xD800 <= code < 0xE000]
    signs += [chr(code) for code in range(0xE0000, 0xE0100)]  # all planes that have such signs
    frame = pl.DataFrame({"sign": signs}).select(
        "sign", phone=national(pl.concat_str(pl.lit("138"), "sign", pl.lit("00138000")))
    )
    left_out = frame.filter(pl.col("phone") == "13800138000")["sign"].to_list()
    may_stand = r"^[\s\p{Cf}\p{Pd}−()\[\]（）［］'‘’＇`]$"
    assert left_out == frame.filter(pl.col("sign").str.contains(may_stand))["sign"].to_list()


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


@given(phones_as_written())
def test_a_phone_is_the_same_however_it_is_written(given: tuple[str, str]) -> None:
    phone, written = given
    assert ask(national(pl.lit(written))) == phone


@given(abroad())
def test_a_number_of_another_country_is_never_a_phone(given: str) -> None:
    assert not re.fullmatch(PHONE, str(ask(national(pl.lit(given)))))
    assert ask(is_foreign(pl.lit(given)))


@pytest.mark.parametrize("written", ABROAD)
def test_a_number_of_another_country_is_no_phone_and_is_told_as_foreign(written: str) -> None:
    assert ask(national(pl.lit(written))) == written
    assert ask(is_foreign(pl.lit(written)))


@pytest.mark.parametrize("written", [*WRITTEN, "01088888888", "138001380001", "-13800138000", "+86 10 8888 8888", ""])
def test_a_number_of_china_is_not_told_as_foreign(written: str) -> None:
    assert not ask(is_foreign(pl.lit(written)))


@given(st.lists(st.one_of(spaced(), st.none(), st.text("1380-+ .", max_size=14)), max_size=8))
def test_a_phone_is_read_the_same_beside_any_others(column: list[str | None]) -> None:
    frame = pl.DataFrame({"*": column}, schema={"*": pl.String})
    together = frame.select(national(pl.nth(0))).to_series().to_list()
    assert together == [ask(national(pl.lit(cell, pl.String))) for cell in column]


@given(st.lists(st.none() | st.text("1390+-_. eE１３٣\n", max_size=13) | st.from_regex("1[2-9][0-9]{9}")))
@example(["13000000000", "19999999999", "12999999999", "20000000000", "13800e00001", "+1380013800", "١3800138000", ""])
def test_the_number_of_a_phone_is_what_its_pattern_matches(column: list[str | None]) -> None:
    numbers = pl.DataFrame({"phone": column}, {"phone": pl.String}).select(phone_number(pl.col("phone"))).to_series()
    assert numbers.to_list() == [int(cell) if re.fullmatch(PHONE, cell or "") else None for cell in column]


@given(spaced())
@example("-13800138000")
def test_whatever_the_planner_takes_for_a_phone_is_masked(written: str) -> None:
    phone = ask(national(pl.lit(written)))
    if not re.fullmatch(PHONE, str(phone)):
        return
    first, last = str(phone)[:3], str(phone)[7:]
    assert digits(mask_in_text(written)).endswith(first + last)
    shown = digits(mask_numbers_in_text(f"'{written}' is no id"))
    assert shown.endswith(first + last) or (len(shown) == 7 and shown.endswith(last)) or shown == ""
    assert has_phone(written)


@given(spaced(), st.sampled_from(["", "请致电 ", "13900139000/", "a"]), st.sampled_from(["", "。", "/13900139000"]))
@example("138 0013 8000", "请致电 ", "。")
def test_whatever_is_read_as_a_phone_is_found_by_its_digits_in_a_text_too(given: str, before: str, after: str) -> None:
    phone = str(ask(national(pl.lit(given))))
    if re.fullmatch(PHONE, phone):
        assert ask(holds(pl.lit(before + given + after), phone))
        assert phone not in digits(re.sub(written(phone), "", given))


@given(st.one_of(spaced(), st.text("1389 -+\u200b–x0", max_size=30)))
def test_a_text_and_a_column_are_masked_alike(text: str) -> None:
    assert ask(mask_in_text(pl.lit(text))) == mask_in_text(text)


@pytest.mark.parametrize("sign", [".", "_", "/", "·"])
def test_a_phone_in_groups_is_masked_though_it_is_not_read(sign: str) -> None:
    written = sign.join(["138", "0013", "8000"])
    assert ask(national(pl.lit(written))) == written
    assert mask_in_text(f"of {written}") == "of 138****8000"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("1.3800138E10", "1.38****E10"),
        ("1.3800138000e+10", "1.38****e+10"),
        ("13,800,138,000", "13****000"),
        ("13，800，138，000", "13****000"),
        ("１３,８００,１３８,０００", "１３****０００"),
    ],
)
def test_a_phone_that_was_taken_for_a_number_is_masked_and_held_though_it_is_not_read(written: str, shown: str) -> None:
    assert ask(national(pl.lit(written))) == written
    for text in (mask_in_text(f"of {written}"), ask(mask_in_text(pl.lit(f"of {written}")))):
        assert text == f"of {shown}"
    assert mask_numbers_in_text(f"of {written} is") == f"of {shown} is"
    assert has_phone(written)
    assert ask(holds(pl.lit(f"of {written} is"), "13800138000"))
    assert not ask(holds(pl.lit(f"of {written} is"), "13800138001"))


def test_a_rounded_number_is_nobody() -> None:
    assert mask_in_text("1.38001E+10, 13,800,138") == "1.38001E+10, 13,800,138"
    assert not ask(holds(pl.lit("1.38E+10"), "13800000000"))


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
    cells = ["13800138000", "+86 138-0013-8000", "-13800138000", "13900139000,13800138000", "8613800138000/86139"]
    cells += ["138 0013 8000 或 139", "138001380001", "913800138000", "13900139000"]
    held = pl.DataFrame({"cell": [*cells, None]}).select(holds(pl.col("cell"), "13800138000")).to_series()
    assert held.to_list() == [True] * 6 + [False] * 4

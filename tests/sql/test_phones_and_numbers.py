"""Rules that exist in Python and in SQL give the same on the same inputs: masks of phones, numbers of messages."""

import json
import re
from collections.abc import Iterator

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipelines import message_ids, phones
from pipelines.warehouse.statements import define_functions

FUNCTIONS = (
    "is_phone",
    "mask_phone",
    "phone_pattern",
    "phone_gap",
    "mask_phones_in_text",
    "mask_phones_in_json",
    "campaign_key_of",
    "position_of",
    "has_mission_num_form",
)
DIGITS_OF = [
    str.maketrans("0123456789+", digits) for digits in ("０１２３４５６７８９＋", "٠١٢٣٤٥٦٧٨٩+", "۰۱۲۳۴۵۶۷۸۹+")
]
GAPS = " -\t\n\r\xa0\u200b\u2010\u2212\u3000\ufeff\uff0d\U000e0020()[]（）'’"

together = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A session that has the functions."""
    with duckdb.connect() as connection:
        define_functions(connection, FUNCTIONS)
        yield connection


def in_sql(connection: duckdb.DuckDBPyConnection, call: str, values: list[str] | list[int]) -> list[object]:
    """Results of `call` for each value; the value is called `it`."""
    rows = connection.execute(f"SELECT {call} FROM (SELECT unnest($values) AS it)", {"values": values}).fetchall()
    return [value for (value,) in rows]


@st.composite
def spaced(draw: st.DrawFn) -> str:
    """A phone, or almost, with gaps anywhere and with or without a prefix."""
    prefix = draw(st.sampled_from(["", "86", "+86", "0086", "086", "0", "860", "7"]))
    digits = prefix + draw(st.from_regex(r"\A1[2-9][0-9]{8,10}\Z")) + draw(st.sampled_from(["", "", ".0"]))
    gaps = st.sampled_from(["", "", "", *GAPS, "  "])
    written = "".join(digit + draw(gaps) for digit in digits)
    return draw(st.sampled_from([written, *map(written.translate, DIGITS_OF)]))


@st.composite
def grouped(draw: st.DrawFn) -> str:
    """A phone in groups of 3, 4 and 4 digits."""
    phone = draw(st.from_regex(r"\A1[2-9][0-9]{9}\Z"))
    return draw(st.sampled_from(GAPS)).join([phone[:3], phone[3:7], phone[7:]])


@st.composite
def as_number(draw: st.DrawFn) -> str:
    """A phone, or almost, as sheets and programs write large numbers."""
    phone = draw(st.from_regex(r"\A1[2-9][0-9]{9}\Z"))
    digits = draw(st.integers(1, 10))
    in_thousands = draw(st.sampled_from(",，.")).join([phone[:2], phone[2:5], phone[5:8], phone[8:]])
    return draw(st.sampled_from([f"1.{phone[1 : 1 + digits]}{draw(st.sampled_from(['E', 'e+']))}10", in_thousands]))


texts = st.lists(
    spaced() | grouped() | as_number() | st.text('0123456789-+ ,:"ab', max_size=12) | st.sampled_from(GAPS), max_size=4
).map("".join)


@together
@given(values=st.lists(texts, min_size=1, max_size=20))
@example(values=["138.0013.8000", "138_0013_8000", "138/0013/8000", "138·0013·8000", "138.0013", "1.380013.8000"])
@example(values=["1.3800138E10", "1.3800138000e+10", "13,800,138,000", "１３，８００，１３８，０００", "1.38001E+10"])
@example(values=["13800138000", "138-0013-8000", "+86 138 0013 8000", "1 3 8 0 0 1 3 8 0 0 0", "20261101 13800138000"])
def test_a_text_is_masked_the_same(connection: duckdb.DuckDBPyConnection, values: list[str]) -> None:
    assert in_sql(connection, "mask_phones_in_text(it)", values) == [phones.mask_in_text(value) for value in values]


phone_numbers = st.from_regex(r"\A-?1[3-9][0-9]{9}(\.[0-9]{1,2}|\.5[eE][+-]?1)?\Z").map(json.loads)
floats = st.floats(-1e15, 1e15).map(
    lambda number: round(number, 3)
)  # without exponents, which are written in many ways
cells = st.one_of(texts, st.text('13800138000,:[]{}"\\ ', max_size=40), phone_numbers, floats)
names = st.text(max_size=3) | texts
values_of_owners = st.recursive(
    cells | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def masked_value(value: object, level: int = 0) -> object:
    """A value of JSON with its phones masked, one by one: a slow twin of `mask_phones_in_json`."""
    if isinstance(value, list | dict):
        as_text = json.dumps(value, ensure_ascii=False)
        if level == 3:
            has_digits = re.search(r"[1１١۱](?:\D*\d){10}|1\.[3-9][0-9]{6,}[eE]\+?10", as_text)
            return phones.MASK if has_digits else value
        if isinstance(value, list):
            return [masked_value(inner, level + 1) for inner in value]
        shown = {name: phones.mask_in_text(name) for name in value}
        return {
            shown[name] + (f" ({place})" if shown[name] != name else ""): masked_value(inner, level + 1)
            for place, (name, inner) in enumerate(value.items(), 1)
        }
    if isinstance(value, str):
        return phones.mask_in_text(value)
    text = json.dumps(value)
    return value if phones.mask_in_text(text) == text else phones.mask_in_text(text)


@together
@given(owner=st.dictionaries(names, values_of_owners, max_size=5), spaces=st.booleans())
@example(
    owner={"a": [13800138000, 13900139000], "b": 13800138000.0, "c": "x,13800138000,y", "d": -13800138000}, spaces=False
)
@example(owner={"138 0013 8000": {"a": ["1380013 8000"]}, "13800138000": [{"p": "１٣۸0 0 1 3 8 0 0 0"}]}, spaces=True)
@example(owner={"a": [[[["1 3800138000"], ["x"]]]], "b": {"c": {"d": {"e": "13800138000"}}}}, spaces=False)
def test_json_is_masked_value_by_value_and_the_rest_stays_as_it_is(
    connection: duckdb.DuckDBPyConnection, owner: dict[str, object], *, spaces: bool
) -> None:
    content = json.dumps(owner, separators=None if spaces else (",", ":"), ensure_ascii=False)
    (masked,) = in_sql(connection, "mask_phones_in_json(it)", [content])

    assert json.loads(str(masked)) == masked_value(owner)


@together
@given(values=st.lists(texts | st.from_regex(r"\A1[2-9][0-9]{9}\n?\Z"), min_size=1, max_size=20))
@example(values=["138.0013.8000", "138_0013_8000", "138/0013/8000", "138·0013·8000", "138.0013", "1.380013.8000"])
@example(values=["13800138000", "13800138000\n", "12800138000", "138001380000", "", "١٣٨٠٠١٣٨٠٠٠"])
def test_a_phone_is_one_and_is_masked_the_same(connection: duckdb.DuckDBPyConnection, values: list[str]) -> None:
    frame = pl.DataFrame({"it": values})

    assert in_sql(connection, "is_phone(it)", values) == frame["it"].str.contains(phones.PHONE).to_list()
    assert (
        in_sql(connection, "mask_phone(it)", values) == frame.select(phones.masked(pl.col("it"))).to_series().to_list()
    )


def test_the_same_characters_may_stand_between_digits(connection: duckdb.DuckDBPyConnection) -> None:
    characters = [chr(i) for i in range(1, 0x110000) if not 0xD800 <= i <= 0xDFFF]  # without surrogates

    may_stand = in_sql(connection, "regexp_full_match(it, phone_gap())", characters)

    assert may_stand == [re.fullmatch(phones._GAP, character) is not None for character in characters]


@together
@given(
    key=st.integers(0, 2**message_ids.KEY_BITS - 1),
    positions=st.lists(st.integers(0, message_ids.MAX_MESSAGES - 1), min_size=1, max_size=20),
)
def test_a_message_id_is_taken_apart_the_same(
    connection: duckdb.DuckDBPyConnection, key: int, positions: list[int]
) -> None:
    frame = pl.DataFrame({"position": positions})
    mission_nums = frame.select(message_ids.mission_num(key, pl.col("position"))).to_series()
    ids = message_ids.message_ids(mission_nums).to_list()

    assert in_sql(connection, "campaign_key_of(it)", ids) == [key] * len(positions)
    assert in_sql(connection, "position_of(it)", ids) == positions
    assert all(in_sql(connection, "has_mission_num_form(it)", mission_nums.to_list()))


@together
@given(
    values=st.lists(
        st.from_regex(r"\A[0-9A-Z]{7}[0-9]{9}\Z")
        | st.from_regex(rf"\A[{message_ids.ALPHABET}]{{6,8}}[0-9]{{8,10}}\n?\Z")
        | st.text(max_size=20),
        min_size=1,
        max_size=20,
    )
)
@example(values=["ZZZZZZZ268435455", "ZZZZZZZ268435456", "0000000000000000", "000000I000000000", "zzzzzzz000000000"])
def test_a_mission_num_has_the_same_form(connection: duckdb.DuckDBPyConnection, values: list[str]) -> None:
    values = [value for value in values if "\0" not in value]
    has_form = pl.Series(values, dtype=pl.String).str.contains(message_ids.MISSION_NUM).to_list()

    assert in_sql(connection, "has_mission_num_form(it)", values) == has_form

"""A person is found in any text and bytes, however their phone is written and escaped, and nothing else changes."""

import json
from collections.abc import Callable
from html import escape
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from pipelines.operations.erased_person import Person

WHO, OTHER, TOMBSTONE = "13912345678", "13812345678", "10000000001"
PERSON = Person(WHO, TOMBSTONE)
GAPS = ("", "", "", " ", "-", "\u00a0", "\u200b", "(", "\n", "\t", "–")
DIGITS = ("0123456789", "０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹")


@st.composite
def spelled(draw: st.DrawFn, phone: str = WHO) -> str:
    """A phone with gaps anywhere, or in groups, in any digits; or as a sheet or a program writes a large number."""
    if draw(st.integers(0, 4)) == 0:
        exponent = draw(st.sampled_from(["E10", "e+10"]))
        in_thousands = draw(st.sampled_from(",，")).join([phone[:2], phone[2:5], phone[5:8], phone[8:]])
        return draw(st.sampled_from([f"1.{phone[1:]}{exponent}", in_thousands]))
    digits = draw(st.sampled_from(DIGITS))
    group_gap = draw(st.sampled_from([*"._/·", ""]))
    if group_gap:
        text = group_gap.join([phone[:3], phone[3:7], phone[7:]])
    else:
        text = "".join(draw(st.sampled_from(GAPS)) + digit for digit in phone)
    return draw(st.sampled_from(["", "+86", "86 "])) + text.translate(str.maketrans(DIGITS[0], digits))


def as_references(text: str, form: str) -> str:
    return "".join(f"&#{ord(sign):{form}};" if form == "d" else f"&#x{ord(sign):{form}};" for sign in text)


def in_xml(text: str, form: str) -> str:
    """The text of an element that has it as references."""
    return f"<a>{as_references(text, form) if form else escape(text)}</a>"


CONTAINERS: dict[str, tuple[Callable[[str], str], Callable[[str], str]]] = {
    "text": (str, str),
    "json": (json.dumps, json.loads),
    "json in clear": (lambda text: json.dumps(text, ensure_ascii=False), json.loads),
    "json with escapes": (lambda text: '"' + "".join(f"\\u{ord(sign):04x}" for sign in text) + '"', json.loads),
    "json in json": (
        lambda text: json.dumps(json.dumps([text])),
        lambda text: json.loads(json.loads(text))[0],
    ),
    "xml": (lambda text: in_xml(text, ""), lambda text: etree.fromstring(text).text or ""),
    "xml with references": (lambda text: in_xml(text, "d"), lambda text: etree.fromstring(text).text or ""),
    "xml with hex references": (lambda text: in_xml(text, "x"), lambda text: etree.fromstring(text).text or ""),
    "address": (lambda text: quote(text, safe=""), lambda text: text),
}
AROUND = st.text("ab中,: <&%\\\"'1;#ux", max_size=6)


@pytest.mark.parametrize("name", CONTAINERS)
@given(written=spelled(), other=spelled(OTHER), around=st.tuples(AROUND, AROUND, AROUND))
def test_the_phone_is_gone_in_any_spelling_and_container_and_the_rest_stays(
    name: str, written: str, other: str, around: tuple[str, str, str]
) -> None:
    packed, unpacked = CONTAINERS[name]
    start, end = f"{around[0]}x", f"x{around[1]}x{other}x{around[2]}"
    erased = PERSON.erased_from_text(packed(start + written + end))

    assert not PERSON.is_in(erased)
    shown = unpacked(erased)
    if name != "address":
        assert shown.startswith(start)
        assert shown.endswith(end)
        assert shown[len(start) : -len(end)].endswith(TOMBSTONE)
    for encoding in ("utf-8", "gb18030"):
        content = packed(start + written + end).encode(encoding)
        assert PERSON.erased_from(content) == erased.encode(encoding)


@given(text=st.lists(AROUND | spelled(OTHER), max_size=6).map("".join))
def test_a_text_without_the_phone_stays(text: str) -> None:
    for packed, _ in CONTAINERS.values():
        assert PERSON.erased_from_text(packed(text)) == packed(text)
    assert PERSON.erased_from(text.encode("gb18030")) == text.encode("gb18030")


def test_the_end_of_a_mission_number_and_of_a_longer_number_is_no_phone() -> None:
    for text in (f"ABCDE{WHO}", f"9{WHO}", f"{WHO}0", f"%{WHO[:2]}{WHO}"):
        assert PERSON.is_in(text) == text.startswith("%")

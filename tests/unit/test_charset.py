"""Text is read in every charset, with few bad bytes too, and bytes that are no text are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.tabular.charset import UnknownCharset, text_of

TEXT = "手机号,内容\r\n13800138000,取消订阅，谢谢\r\n13900139000,TD\r\n"
CHARSETS = ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16", "utf-16-le", "utf-16-be"]


@pytest.mark.parametrize("charset", CHARSETS)
@given(texts=st.lists(st.text("退订回复取消谢谢好的ok ", max_size=20)))
def test_every_charset_is_known(charset: str, texts: list[str]) -> None:
    text = TEXT + "".join(f"13800138000,{each}\n" for each in texts)

    assert text_of(text.encode(charset)) == text


@pytest.mark.parametrize("charset", ["big5", "gbk", "utf-8", "utf-16-le"])
@given(texts=st.lists(st.text("退訂回覆取消謝謝好的機號碼，ok ", max_size=20)))
def test_traditional_chinese_is_read_in_big5_and_gbk(charset: str, texts: list[str]) -> None:
    text = "手機號碼,回覆內容,回覆時間\r\n13800138000,退訂，謝謝\r\n" + "".join(
        f"13800138000,{each}\n" for each in texts
    )

    assert text_of(text.encode(charset)) == text


@pytest.mark.parametrize("text", ["退訂", "手機", "取消", "手机号", "状态报告", "的"])
def test_short_texts_in_gbk_are_not_taken_for_big5(text: str) -> None:
    assert text_of(text.encode("gbk")) == text


def test_a_byte_order_mark_is_not_part_of_the_text() -> None:
    assert text_of(b"\xfe\xff" + "1,退\n".encode("utf-16-be")) == "1,退\n"
    assert text_of(b"\xff\xfe" + "退".encode("utf-16-le")) == "退"


@pytest.mark.parametrize("charset", CHARSETS)
def test_half_a_character_costs_no_other(charset: str) -> None:
    text = text_of((TEXT + "取").encode(charset)[:-1])

    assert text.startswith(TEXT)
    assert len(text) <= len(TEXT) + 1


@given(st.text("退订回复取消谢谢好的", min_size=4, max_size=8), st.data())
def test_one_bad_byte_makes_no_other_charset_of_a_short_text(text: str, data: st.DataObject) -> None:
    body = text.encode()
    place = data.draw(st.integers(0, len(body) - 1))

    read = text_of(body[:place] + b"\xff" + body[place + 1 :])

    assert read.replace("\ufffd", "") in (text[: place // 3] + text[place // 3 + 1 :])


@pytest.mark.parametrize("body", [b"\x00\x01\xff\xff", b"a,b\n\x00,1\n", b"\xff,\x81\n", b"\xff" * 30, b"PK\x00\x00"])
def test_bytes_that_are_no_text_are_refused(body: bytes) -> None:
    with pytest.raises(UnknownCharset):
        text_of(body)

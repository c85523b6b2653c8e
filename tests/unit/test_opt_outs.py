"""Replies that opt out are found however politely they are written; a text that only holds a word is for a person."""

import re

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.opt_outs import patterns, plain
from pipelines.settings import PolicySettings

POLICY = PolicySettings()
OPT_OUT, NEAR = patterns(POLICY.opt_out_words, POLICY.ambiguous_opt_out_words)
CERTAIN = ("TD", "STOP", "Unsubscribe", "退订", "退訂", "拒收", "取消订阅")
AMBIGUOUS = ("T", "N", "R", "QX", "取消")
BEFORE = ("", "请", "請", "我要", "回复", "回", "please ", "【公司】", "请回复", "我要 ", "请，")
AFTER = ("", "谢谢", "吧", " please", "！", "。", " 🙏", "【公司】", "了")


def verdict(text: str) -> str:
    """yes, near or no, by DuckDB."""
    form = pl.DataFrame({"text": [text]}).select(plain(pl.col("text"))).item()
    is_opt_out, is_near = duckdb.execute(
        "SELECT regexp_matches($text, $yes), regexp_matches($text, $near)", {"text": form, "yes": OPT_OUT, "near": NEAR}
    ).fetchall()[0]
    return "yes" if is_opt_out else "near" if is_near else "no"


@pytest.mark.parametrize(
    "text",
    [
        "TD", " td ", "ＴＤ", "T.D.", "t d", "TD谢谢", "td please",
        "T", "t!", "N", "退订", "【退订】", "退 订", "退订了吧",
        "退订td", "T退订", "t 退订", "回TD", "请退订", "回复TD", "请回复TD退订", "我要退订", "我要取消", "取消订阅",
        "Reply STOP", "please stop", "stop sending me this", "🙏退订🙏",
        "【公司】TD", "TD【公司】", "【公司】取消", "您好，请退订",
    ],
)  # fmt: skip
def test_a_text_opts_out(text: str) -> None:
    assert verdict(text) == "yes"


@pytest.mark.parametrize(
    "text",
    [
        "tdk", "td2", "T shirt", "取消订单吗", "请不要取消",
        "不要退订", "取消退订", "NTD退订", "stopping", "don't stop",
        "QX订单", "n 不需要", "can you unsubscribe me", "怎么退 订",
    ],
)  # fmt: skip
def test_a_text_that_holds_a_word_without_surely_opting_out_is_for_a_person(text: str) -> None:
    assert verdict(text) == "near"


@pytest.mark.parametrize(
    "text", ["", "。", "No", "好的", "请", "回", "please", "今天 today", "I don't know", "收到", "【公司】"]
)
def test_any_other_text_is_no_opt_out(text: str) -> None:
    assert verdict(text) == "no"


@given(st.sampled_from(BEFORE), st.sampled_from((*CERTAIN, *AMBIGUOUS)), st.sampled_from(AFTER))
def test_polite_words_and_a_signature_around_a_word_make_no_difference(before: str, word: str, after: str) -> None:
    assert verdict(before + word + after) == "yes"


@given(st.sampled_from(BEFORE), st.sampled_from(CERTAIN), st.text("我的订单 。abc", max_size=6))
def test_a_certain_word_counts_whatever_follows(before: str, word: str, rest: str) -> None:
    assert verdict(f"{before}{word} {rest}") == "yes"


@given(
    st.text("我不", min_size=1, max_size=3), st.sampled_from(("退订", "拒收", "取消")), st.text("我订单吗", max_size=4)
)
def test_a_word_within_a_text_is_never_dropped(before: str, word: str, after: str) -> None:
    assert verdict(before + word + after) != "no"


@given(st.text("TDN退订取消请回复 pleasetop【】", max_size=12))
def test_python_and_duckdb_read_the_patterns_alike(text: str) -> None:
    form = pl.DataFrame({"text": [text]}).select(plain(pl.col("text"))).item()
    assert (verdict(text) == "yes") == bool(re.search(OPT_OUT, form, re.ASCII))


def test_without_words_nothing_opts_out() -> None:
    none, _ = patterns((), ())
    assert not duckdb.execute("SELECT regexp_matches('td', $none)", {"none": none}).fetchall()[0][0]

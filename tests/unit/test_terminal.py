"""Output in a terminal: nothing runs off, nothing steers it, and every figure stands in its place."""

import io
import json
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from pipelines.console.campaign_page import (
    campaign_as_markdown,
    overview_as_rows,
    show_campaign,
    show_overview,
)
from pipelines.console.terminal import cell, show_lines, show_object, show_table
from pipelines.contracts.marts import EXCEPTION_KINDS
from pipelines.contracts.reconciled import STATUSES
from pipelines.errors import BooksError
from pipelines.formatting import duration, percent, printable, words
from pipelines.review.books import BATCH_STATES, Books, Rate
from pipelines.review.figures import CampaignFigures
from pipelines.review.status import Overview
from pipelines.review.translations import TEXTS

AT = datetime(2026, 11, 22, 16, 30, tzinfo=UTC)
CANARY = "13712345678"

BOOKS = Books(
    campaign_id="autumn-sale",
    as_of=AT,
    rows=10_000_000,
    statuses=dict.fromkeys(STATUSES, 0) | {"invalid": 1, "in_doubt": 1000, "delivered": 9_998_999},
    batches=dict.fromkeys(BATCH_STATES, 0) | {"accepted": 9999, "in_doubt": 1},
    is_balanced=True,
    is_mature=False,
    paused_reason="stopped by SIGINT",
    first_submitted_at=AT,
    last_submitted_at=AT.replace(hour=18),
    rates={
        "delivered_of_accepted_rate": Rate(0.99997, 0.9999, 1.0, 9_998_999, 9_999_000),
        "delivered_of_reported_rate": Rate(None, None, None, 0, 0),
        "coverage_rate": Rate(0.5, 0.4, 0.6, 1, 2),
    },
    latency_seconds={"p50": 6.2, "p90": 250.0, "p99": 200_000.0},
    reply_count=12,
    opt_out_count=3,
    near_opt_out_count=0,
    accepted_segment_count=19_998_000,
    accepted_cost=999_900.0,
    failed_cost=49_995.5,
    proven_batch_count=2,
    proven_message_count=2000,
)


def codes(*rows: tuple[str, int, float, str, str]) -> pl.DataFrame:
    """Rows of sql/figures/codes.sql: the columns that a page shows."""
    schema = {
        "code": pl.String, "message_count": pl.Int64, "of_failed_rate": pl.Float64,
        "responsible_party": pl.String, "meaning": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def exceptions(*rows: tuple[str, int, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["kind", "occurrence_count", "example"], orient="row")


FIGURES = CampaignFigures(
    books=BOOKS,
    reasons=pl.DataFrame({"status": ["invalid"], "reason": ["phone_malformed"], "row_count": [1]}),
    codes=codes(*((f"X:{number}", 1000, 0.1, "campaign_owner", "a meaning") for number in range(10))),
    refusals=pl.DataFrame(
        {
            "error_code": ["100008"],
            "message_count": [1_000_000],
            "meaning": ["too many messages to one phone in a short time"],
            "meaning_zh": ["有号码短期内请求过多"],
        }
    ),
    exceptions=exceptions(*((kind, 9_999_999, "for example") for kind in EXCEPTION_KINDS)),
)


def shown(capsys: pytest.CaptureFixture[str], figures: CampaignFigures) -> str:
    show_campaign(figures)
    return capsys.readouterr().out


def test_no_line_is_wider_than_80_columns_or_ends_in_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    show_overview(Overview([BOOKS, replace(BOOKS, campaign_id="c" * 40)], []), as_json=False)
    lines = (shown(capsys, FIGURES) + capsys.readouterr().out).splitlines()

    assert all(len(line) <= 80 and line == line.rstrip() for line in lines)


def test_nothing_wraps_on_the_page_of_ten_million_rows(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, FIGURES).splitlines()

    assert [line for line in lines if line.endswith("sent, but no trusted answer")]
    for kind in EXCEPTION_KINDS:
        step = TEXTS[f"exception_{kind}_step"].en
        assert f"{kind.replace('_', ' '):<26}9,999,999  {step}" in [line for line in lines if step in line]
    assert "100008      1,000,000  too many messages to one phone in a short time" in lines


def test_the_page_says_all_that_the_books_say(capsys: pytest.CaptureFixture[str]) -> None:
    page = shown(capsys, FIGURES)

    for text in (
        "Campaign autumn-sale, as of 2026-11-23 00:30",  # China's time
        "  phone malformed           1",
        "in doubt                1,000   <0.1%",
        "delivered           9,998,999  >99.9%",
        "failed                      0    0.0%",  # shown also at 0
        "rows of the file   10,000,000  100.0%",
        "balanced",
        "Rates, which can still change",
        "2026-11-23 00:30 to 2026-11-23 02:30",
        "9,999 accepted, 1 in doubt",
        "2 batches of 2,000 messages had no answer; reports prove them",
        "6 s for half of them, 4 min for 90 %, 2.3 days for 99 %",
        "12, of which 3 opt out",
        "19,998,000 accepted",
        "999,900.00, of which 49,995.50 for messages that failed",
        "stopped by SIGINT; go on with 'smsrecon resume autumn-sale'",
        "2 more   2,000  20.0%",
    ):
        assert text in page
    assert "planned" not in page


def test_books_that_do_not_balance_are_loud(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = replace(BOOKS, is_balanced=False)
    show_overview(Overview([wrong], [BooksError("wrong")]), as_json=False)
    assert "BOOKS WRONG" in capsys.readouterr().out
    assert "DOES NOT BALANCE" in shown(capsys, replace(FIGURES, books=wrong))


@pytest.mark.parametrize(
    ("statuses", "is_mature", "state"),
    [
        ({"in_doubt": 2, "planned": 3}, False, "2 in doubt"),
        ({"planned": 3000}, False, "3,000 to send"),
        ({"accepted": 3}, False, "can still change"),
        ({"delivered": 3}, True, "closed"),
    ],
)
def test_the_state_of_a_campaign_is_what_it_needs_most(
    statuses: dict[str, int], is_mature: bool, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    books = replace(BOOKS, statuses=dict.fromkeys(STATUSES, 0) | statuses, is_mature=is_mature)
    show_overview(Overview([books], []), as_json=False)

    assert capsys.readouterr().out.splitlines()[1].endswith(state)


def test_every_status_and_every_kind_of_exception_has_its_words() -> None:
    for status in STATUSES:
        assert TEXTS[f"status_{status}"].en == words(status)
        assert len(TEXTS[f"status_{status}_meaning"].en) <= 30  # what the bar and the counts leave of 80 columns
    for kind in EXCEPTION_KINDS:
        assert TEXTS[f"exception_{kind}"].en == words(kind)
        assert len(TEXTS[f"exception_{kind}_step"].en) <= 43


def test_a_page_holds_no_detail_of_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    found = exceptions(("orphan", 1, f"code {CANARY}"))

    assert CANARY not in shown(capsys, replace(FIGURES, exceptions=found))


def test_text_from_elsewhere_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    code = ("\x1b[31m[red]:smile:\n", 1, 1.0, "vendor", "un\x07known")
    page = shown(capsys, replace(FIGURES, codes=codes(code)))

    assert "\ufffd[31m[red]:smile:\ufffd" in page
    assert "un\ufffdknown" in page
    assert printable("汉字 é…") == "汉字 é…"


def test_the_page_in_markdown_is_whole_and_what_comes_from_elsewhere_is_no_markup() -> None:
    code = ("X|<b>*1*", 1, 1.0, "vendor", "[a](javascript:x)")
    page = campaign_as_markdown(replace(FIGURES, codes=pl.concat([codes(code), FIGURES.codes])))

    assert page.startswith("# Campaign autumn-sale, as of 2026-11-23 00:30\n\n1,000 in doubt\n\n## The books\n")
    assert "| delivered | 9,998,999 | >99.9% |" in page.replace("\\", "")
    assert r"| X\|\<b\>\*1\* | 1 | 100.0% | vendor | \[a\]\(javascript:x\) |" in page
    assert all(f"| X:{number} |" in page for number in range(10))
    for line in page.splitlines():
        assert not line.startswith("|") or len(re.findall(r"(?<!\\)\|", line)) in {3, 4, 5, 6}


def test_all_campaigns_as_rows_hold_every_status_and_every_rate() -> None:
    (row,) = overview_as_rows(Overview([BOOKS], []))

    assert {status: row[status.replace("_", " ")] for status in STATUSES} == BOOKS.statuses
    assert (row["campaign"], row["rows"], row["balanced"]) == ("autumn-sale", 10_000_000, "yes")
    assert (row["delivered / accepted"], row["reported / accepted"]) == (">99.9%", "50.0%")


def test_json_holds_nothing_that_steers_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b[2J\x7f\x9b2J\u202e\u2066\u200f\ud83d 空号 👍\u3000\n"

    show_object({"text": hostile, hostile: 1})

    shown = capsys.readouterr().out
    assert "空号 👍" in shown
    assert all(line.isprintable() for line in shown.splitlines())
    whole = hostile.replace("\ud83d", "\ufffd")
    assert json.loads(shown) == {"text": whole, whole: 1}


def test_where_there_are_no_blocks_shares_are_shown_by_plain_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
    monkeypatch.setattr(sys, "stdout", output)

    show_campaign(FIGURES)
    show_object({"meaning": "空号"})

    output.flush()
    written = output.buffer.getvalue().decode("ascii")  # type: ignore[attr-defined]
    assert "##########  a report confirms it" in written
    assert json.loads(written[written.index('{\n  "meaning') :]) == {"meaning": "空号"}


@pytest.mark.parametrize(
    ("share", "words"),
    [(None, "–"), (0.0, "0.0%"), (0.0004, "<0.1%"), (0.123, "12.3%"), (0.9996, ">99.9%"), (1.0, "100.0%")],
)
def test_a_share_never_says_none_or_all_where_it_is_only_nearly_so(share: float | None, words: str) -> None:
    assert percent(share) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (119, "119 s"), (600, "10 min"), (20_000, "6 h"), (200_000, "2.3 days")]
)
def test_a_duration_is_in_the_unit_that_says_most(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, ""),
        (True, "yes"),
        (2026, "2026"),
        (0.1 + 0.2, "0.3"),
        (Decimal("1.50"), "1.50"),
        (AT, "2026-11-23 00:30:00"),
        ([1, 2], "1, 2"),
        ({"in_doubt": 1200, "failed": 3}, "1,200 in doubt, 3 failed"),
    ],
)
def test_every_value_has_its_form(value: Any, words: str) -> None:
    assert cell(value) == words


def test_what_is_wrong_is_not_said_twice(capsys: pytest.CaptureFixture[str]) -> None:
    lines = {"row_count": 1200, "balance": None, "problems": ["wrong"], "missing_days": [], "statuses": {}}
    show_lines(lines, as_json=False)
    assert capsys.readouterr().out == "row count  1,200\n"

    show_lines(lines, as_json=True)
    assert json.loads(capsys.readouterr().out) == lines


def test_objects_hold_instants_days_and_exact_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    show_object({"at": AT, "day": AT.date(), "total": Decimal(3), "half": Decimal("0.5"), "error": BooksError("wrong")})

    assert json.loads(capsys.readouterr().out) == {
        "at": "2026-11-23T00:30:00+08:00", "day": "2026-11-22", "total": 3, "half": 0.5, "error": "wrong",
    }  # fmt: skip


def test_numbers_stand_right_and_wide_rows_one_below_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    show_table([{"code": "0", "n": 5}, {"code": "MK:0001", "n": 1234}], as_json=False, name="rows")
    assert capsys.readouterr().out.splitlines() == ["code        n", "0           5", "MK:0001  1234"]

    show_table([{f"column_{number}": "a long text" for number in range(9)}] * 2, as_json=False, name="rows")
    assert capsys.readouterr().out.splitlines()[8:11] == ["column_8  a long text", "", "column_0  a long text"]

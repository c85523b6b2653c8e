"""Outcomes drawn from the seed: shares, codes, times."""

from collections import Counter
from statistics import median

from pipelines.sandbox import Shares
from pipelines.sandbox.outcomes import Message, draw_outcomes, stat_time_text

ACCEPTED_AT = 1_492_786_942.5  # 2017-04-21 23:02:22.5 in China
VENDOR_CODES = (
    "MK:0000 MK:0001 MK:0004 MK:0005 MK:0010 MI:0012 MK:0015 2:1 2:3 2:5 2:10 2:11 2:12 2:15 2:13 2:33 2:37 "
    "YF:01 YF:02 YF:03 YF:11 YF:13 YF:21"
)


def messages(count: int) -> list[Message]:
    prefixes = ("138", "130", "133")
    return [
        Message(number, 1, "b1", f"m{number}", f"{prefixes[number % 3]}{number:08}", ACCEPTED_AT, 1, "")
        for number in range(count)
    ]


def test_the_shares_are_those_of_the_settings() -> None:
    reports = draw_outcomes(7, Shares(), messages(50_000)).reports
    first = [report for report in reports if report.kind == "first"]
    delivered = sum(report.code in ("0", "DELIVRD") for report in first)
    assert abs(delivered / 50_000 - 0.93) < 0.005
    assert abs(len(first) / 50_000 - 0.98) < 0.003
    kinds = Counter(report.kind for report in reports)
    assert 300 < kinds["duplicate"] < 700
    assert 80 < kinds["conflict"] < 250
    assert 20 < kinds["orphan"] < 100
    assert 20 < kinds["phone_mismatch"] < 100


def test_failures_use_the_vendors_whole_table_and_unknown_codes() -> None:
    reports = draw_outcomes(7, Shares(failed=1, unreported=0, conflict=0, orphan=0), messages(10_000)).reports
    codes = {report.code for report in reports}
    assert codes > set(VENDOR_CODES.split())
    assert not codes & {"0", "DELIVRD"}


def test_a_failure_code_belongs_to_the_carrier_of_the_number() -> None:
    for report in draw_outcomes(7, Shares(failed=1, unreported=0, conflict=0, orphan=0), messages(10_000)).reports:
        if report.code.startswith("2:"):
            assert report.phone.startswith("130")
        if report.code.startswith("MK:"):
            assert report.phone.startswith("138")


def test_most_reports_come_in_seconds_some_in_hours_a_few_after_three_days() -> None:
    reports = draw_outcomes(7, Shares(orphan=0), messages(50_000)).reports
    seconds = sorted(report.due_at - ACCEPTED_AT for report in reports if report.kind == "first")
    assert 3 < median(seconds) < 10
    assert seconds[0] > 0
    assert 0.02 < sum(second > 300 for second in seconds) / len(seconds) < 0.05
    assert 40 < sum(second > 72 * 3600 for second in seconds) < 200


def test_times_are_china_time_to_the_second() -> None:
    assert stat_time_text(ACCEPTED_AT) == "2017-04-21 23:02:22"
    assert stat_time_text(ACCEPTED_AT + 3600) == "2017-04-22 00:02:22"


def test_the_same_seed_draws_the_same_whatever_the_order() -> None:
    some = messages(2000)
    assert sorted(draw_outcomes(7, Shares(), some).reports) == sorted(draw_outcomes(7, Shares(), some[::-1]).reports)

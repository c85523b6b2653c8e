"""What the codes mean, and that the tables people read say the same."""

import csv
from pathlib import Path

import pytest

from pipelines.gateway.codes import DELIVERED_CODES, ERROR_MEANINGS, Verdict, verdict

REFERENCE = Path(__file__).parents[2] / "sql" / "reference"


def rows_of(name: str) -> list[dict[str, str]]:
    with (REFERENCE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


@pytest.mark.parametrize(
    ("expected", "codes"),
    [
        (Verdict.ACCEPTED, ["000000"]),
        (Verdict.TOO_FAST, ["100014"]),
        (Verdict.SOME_MESSAGES, ["100007", "100008", "100013"]),
        (Verdict.CAMPAIGN, ["100002", "100003", "100004", "100009", "100010", "100011"]),
        (Verdict.REFUSED, ["100001", "100005", "100006", "100012"]),
        (Verdict.OUTCOME_UNKNOWN, ["999999"]),
    ],
)
def test_every_documented_error_code_has_its_verdict(expected: Verdict, codes: list[str]) -> None:
    assert {verdict(code) for code in codes} == {expected}


def test_an_unknown_code_of_the_refusals_is_a_refusal() -> None:
    assert verdict("100099") is Verdict.REFUSED
    assert verdict("123456") is Verdict.REFUSED


@pytest.mark.parametrize(
    "code", ["", "0", "200000", "1", "10001", "1000140", "100014 ", "1０００１４", "100014\n", "ok"]
)
def test_any_other_unknown_code_proves_nothing(code: str) -> None:
    assert verdict(code) is Verdict.OUTCOME_UNKNOWN


def test_the_table_of_error_codes_says_what_the_code_says() -> None:
    rows = rows_of("error_codes.csv")
    assert {row["error_code"]: row["meaning"] for row in rows} == dict(ERROR_MEANINGS)
    assert len(rows) == 16
    surely_refused = {row["error_code"] for row in rows if row["is_whole_request_refused"] == "true"}
    assert surely_refused == {
        code for code in ERROR_MEANINGS if verdict(code) not in {Verdict.ACCEPTED, Verdict.OUTCOME_UNKNOWN}
    }


def test_the_table_of_gateway_codes_has_each_code_of_the_vendor_once() -> None:
    codes = [row["code"] for row in rows_of("gateway_codes.csv")]
    mobile = ["MK:0000", "MK:0001", "MK:0004", "MK:0005", "MK:0010", "MI:0012", "MK:0015"]
    unicom = [f"2:{n}" for n in (1, 3, 5, 10, 11, 12, 13, 15, 33, 37)]
    platform = ["YF:01", "YF:02", "YF:03", "YF:11", "YF:13", "YF:21"]
    assert sorted(codes) == sorted(["0", "DELIVRD", *mobile, *unicom, *platform])


def test_the_delivered_codes_of_the_table_are_those_of_the_code() -> None:
    rows = rows_of("gateway_codes.csv")
    assert {row["code"] for row in rows if row["class"] == "delivered"} == DELIVERED_CODES


@pytest.mark.parametrize("name", ["error_codes.csv", "gateway_codes.csv"])
def test_a_reference_table_has_no_empty_cell_and_its_flags_are_true_or_false(name: str) -> None:
    for row in rows_of(name):
        assert all(row.values())
        assert {value for column, value in row.items() if column.startswith("is_")} <= {"true", "false"}


def test_whose_move_is_one_of_those_who_can_move() -> None:
    movers = {"campaign_owner", "operator", "carrier", "recipient", "vendor", "nobody"}
    assert {row["whose_move"] for row in rows_of("gateway_codes.csv")} <= movers

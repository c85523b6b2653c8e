"""The gateway's codes: verdicts, meanings and delivered codes, as the reference tables have them."""

import pytest

from pipelines.contracts.reconciled import FAMILIES, RESPONSIBLE_PARTIES, STATUSES, VERDICTS
from pipelines.gateway.codes import DELIVERED_CODES, ERROR_CODES, TEMPORARY_CODES, Verdict, verdict, with_meaning
from pipelines.sql_files import reference_rows


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


def test_the_table_of_error_codes_has_each_code_of_the_vendor_once() -> None:
    codes = [row["error_code"] for row in reference_rows("error_codes")]
    assert codes == ["000000", *(f"1000{number:02}" for number in range(1, 15)), "999999"]


def test_a_request_is_refused_as_a_whole_where_the_verdict_says_refused() -> None:
    refused = {row["error_code"] for row in reference_rows("error_codes") if row["is_whole_request_refused"] == "true"}
    assert refused == {code for code in ERROR_CODES if verdict(code) not in {Verdict.ACCEPTED, Verdict.OUTCOME_UNKNOWN}}


def test_the_contract_names_the_verdicts() -> None:
    assert tuple(Verdict) == VERDICTS


def test_a_query_is_repeated_after_too_fast_and_a_system_error_only() -> None:
    assert {"100014", "999999"} == TEMPORARY_CODES


def test_a_code_is_shown_with_its_meaning() -> None:
    assert with_meaning("100009") == "100009 (balance too low)"
    assert with_meaning("100099") == "100099 (a code that is in no table)"


def test_the_table_of_gateway_codes_has_each_code_of_the_vendor_once() -> None:
    codes = [row["code"] for row in reference_rows("gateway_codes")]
    mobile = ["MK:0000", "MK:0001", "MK:0004", "MK:0005", "MK:0010", "MI:0012", "MK:0015"]
    unicom = [f"2:{n}" for n in (1, 3, 5, 10, 11, 12, 13, 15, 33, 37)]
    platform = ["YF:01", "YF:02", "YF:03", "YF:11", "YF:13", "YF:21"]
    assert sorted(codes) == sorted(["0", "DELIVRD", *mobile, *unicom, *platform])


def test_the_delivered_codes_are_those_of_the_vendor() -> None:
    assert {"0", "DELIVRD"} == DELIVERED_CODES


def test_the_table_of_statuses_has_the_statuses_of_the_contracts_in_their_order() -> None:
    rows = reference_rows("statuses")

    assert tuple(row["status"] for row in rows) == STATUSES
    assert [int(row["status_num"]) for row in rows] == list(range(1, len(STATUSES) + 1))


def test_what_is_reported_was_accepted_and_what_was_accepted_was_sent() -> None:
    for row in reference_rows("statuses"):
        flags = [row[flag] == "true" for flag in ("is_reported", "is_accepted", "is_sent")]
        assert flags == sorted(flags), row["status"]


def test_the_table_of_code_families_has_the_families_of_the_contracts() -> None:
    rows = reference_rows("code_families")
    prefixes = [row["code_prefix"] for row in rows]

    assert tuple(dict.fromkeys(row["family"] for row in rows)) == FAMILIES[:-1]
    assert not [(one, other) for one in prefixes for other in prefixes if one != other and one.startswith(other)]


@pytest.mark.parametrize("name", ["error_codes", "gateway_codes", "statuses", "code_families"])
def test_a_reference_table_has_no_empty_cell_and_its_flags_are_true_or_false(name: str) -> None:
    for row in reference_rows(name):
        assert all(row.values())
        assert {value for column, value in row.items() if column.startswith("is_")} <= {"true", "false"}


def test_the_responsible_party_is_one_of_the_contracts() -> None:
    assert {row["responsible_party"] for row in reference_rows("gateway_codes")} <= set(RESPONSIBLE_PARTIES)

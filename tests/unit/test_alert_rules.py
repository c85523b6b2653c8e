"""Findings of a rule become lines that end with the next step. The cases of tests/sql test what the rules find."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from pipelines.alerts.findings import Finding
from pipelines.alerts.rules import RULES, examine, low_balance, refused_pushes
from pipelines.errors import BooksError, UsageError
from pipelines.operations.daily import account_findings
from pipelines.settings import AlertSettings, Settings, WarehouseSettings
from pipelines.sql_files import SQL_FOLDER
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.reconcile import reconcile

NOON = datetime(2026, 11, 10, 4, 0, tzinfo=UTC)  # noon in China
WINDOW = 72
ALERTS = AlertSettings(min_message_count=4)


def warehouse_with(folder: Path, **campaigns: list[str]) -> Warehouse:
    """A reconciled warehouse of campaigns sent on successive days, the last yesterday, with one code for each message.

    The code `?` stands for no answer and no report; the code `orphan` for a report that belongs to no message.
    """
    warehouse = Warehouse(folder / "warehouse.duckdb", WarehouseSettings())
    with warehouse.write() as connection:
        for key, (campaign_id, codes) in enumerate(campaigns.items()):
            sent_at = f"2026-11-{10 - len(campaigns) + key:02} 08:00:00+08"
            _send(connection, campaign_id, key, codes, sent_at)
    assert reconcile(warehouse, as_of=NOON, report_window_hours=WINDOW).is_balanced
    return warehouse


def _send(connection: duckdb.DuckDBPyConnection, campaign_id: str, key: int, codes: list[str], sent_at: str) -> None:
    first, count, state = key << 28, len(codes), "in_doubt" if "?" in codes else "accepted"
    connection.execute(
        "INSERT INTO core.campaigns VALUES (?, ?, ?, ?, ?, ?, 1, FALSE, FALSE, NULL, TRUE, 0, 1)",
        [campaign_id, key, sent_at, count, count, count],
    )
    connection.execute(
        "INSERT INTO core.batches VALUES (?, ?, 0, ?, ?, ?, 1, ?, NULL, NULL, NULL, ?, ?, NULL, NULL, NULL, 1)",
        [f"B{key}", campaign_id, first, first + count - 1, count, state, sent_at, sent_at[:10]],
    )
    for row, code in enumerate(codes):
        message_id, phone = first + row, f"138{key:04}{row:04}"
        connection.execute(
            "INSERT INTO core.recipients"
            " VALUES (?, ?, ?, 'planned', NULL, NULL, ?, ?, 0, '【云锋】大促', '', NULL, 1, NULL, NULL, 1)",
            [campaign_id, row, message_id, phone, f"{message_id:016}"],
        )
        if code != "?":
            known, mission_num = (None, "nobody") if code == "orphan" else (message_id, f"{message_id:016}")
            connection.execute(
                "INSERT INTO core.reports"
                " VALUES (?, ?, ?, ?, ?, ?, ?, '', '', ?, 'a.call', NULL, TRUE, FALSE, FALSE, 1)",
                [known, mission_num, phone, code, sent_at, f"B{key}", code == "DELIVRD", sent_at],
            )


def found(warehouse: Warehouse, settings: AlertSettings = ALERTS) -> list[Finding]:
    return examine(warehouse, settings, as_of=NOON, report_window_hours=WINDOW)


def test_every_rule_has_a_message_and_a_statement() -> None:
    assert set(RULES) == {path.stem for path in SQL_FOLDER.glob("alerts/*.sql")}


def test_every_rule_says_what_is_wrong_and_the_next_step(tmp_path: Path) -> None:
    well = ["DELIVRD"] * 20
    ill = ["DELIVRD"] * 10 + ["XX:1"] * 10
    warehouse = warehouse_with(tmp_path, one=well, two=well, three=well, odd=["orphan"], lost=["?", "?"], ill=ill)

    assert [finding.message for finding in found(warehouse)] == [
        "campaign lost: 2 messages may or may not have been sent (batches in doubt: 1); "
        "settle them with 'smsrecon resolve lost'",
        "campaign ill: 50.0% of 20 reported messages were delivered, significantly fewer than 80.0%; "
        "see why with 'smsrecon status ill'",
        "campaign ill: 50.0% of 20 reported messages were delivered, significantly fewer than the 90.0% expected from "
        "comparable campaigns; see why with 'smsrecon status ill'",
        "campaign ill: 50.0% of 20 reported messages failed with code XX:1, more than the 5.0% expected from "
        "comparable campaigns; see what to do with 'smsrecon status ill'",
        "campaign ill: 50.0% of 20 reported messages have an undocumented code, more than 2.0%; "
        "see the codes with 'smsrecon status ill' and ask the vendor what they mean",
        "4.8% of the 21 reports received lately belong to no message, more than 1.0%; "
        "check whether another program sends with the same app_key",
    ]


def test_a_finding_has_its_value_its_bound_and_its_exit_code(tmp_path: Path) -> None:
    doubt, rate, *_ = found(warehouse_with(tmp_path, lost=["?"], ill=["MK:0001"] * 20))

    assert (doubt.rule, doubt.exit_code, doubt.value, doubt.bound) == ("in_doubt", 13, 1.0, 0.0)
    assert rate.to_json() == {
        "rule": "low_delivery_rate",
        "message": rate.message,
        "exit_code": 16,
        "campaign_id": "ill",
        "value": 0.0,
        "bound": 0.8,
    }


def test_rejected_records_are_missing_data(tmp_path: Path) -> None:
    warehouse = warehouse_with(tmp_path, well=["DELIVRD"])
    name = "replies/2026-11-10/010000.000000Z-1.call"
    with warehouse.write() as connection:
        connection.execute("INSERT INTO core.files VALUES (?, 'replies', 4, 3, 1, 1)", [name])

    (rejects,) = found(warehouse)

    assert (rejects.rule, rejects.exit_code, rejects.value, rejects.bound) == ("reject_share", 14, 0.25, 0.01)
    assert rejects.message == (
        "25.0% of the 4 records of replies since yesterday were rejected, more than 1.0%: they are missing; "
        "see why with: smsrecon sql \"FROM marts.exceptions WHERE kind = 'reject'\""
    )


def test_bounds_that_are_never_crossed_find_nothing(tmp_path: Path) -> None:
    warehouse = warehouse_with(tmp_path, one=["MK:0001"] * 20, two=["XX:1"] * 20, lost=["?"], odd=["orphan"])
    never = AlertSettings(
        min_delivery_rate=0,
        max_drop_below_median=1,
        max_unknown_code_share=1,
        max_code_share_jump=1,
        max_orphan_share=1,
        max_reject_share=1,
        max_segment_gap=1,
        max_left_out_files=9,
        max_in_doubt_batches=1,
        min_message_count=1,
    )

    assert found(warehouse, never) == []


def test_a_code_is_shown_plain_and_short_and_without_a_phone(tmp_path: Path) -> None:
    shown = {
        "MK:0099": "MK:0099",
        "余额 不足_/.-": "余额 不足_/.-",
        "x" * 40: "x" * 40,
        "x" * 41: "x" * 39 + "…",
        "to 13912345678": "…",
        "139 1234 5678": "…",
        "8613912345678": "…",
        "1３９12345678": "…",
        "[a](http://b)\n<at user_id='all'>\x1b": "?a??http://b???at user_id??all???",
    }
    well = ["DELIVRD"] * 4
    warehouse = warehouse_with(tmp_path, one=well, two=well, three=well, ill=[*shown])
    settings = AlertSettings(min_message_count=4, max_code_share_jump=0.01)

    messages = [finding.message for finding in found(warehouse, settings) if finding.rule == "code_share_jump"]

    assert [re.findall(" failed with code (.*), more than", message) for message in messages] == [
        [shown[code]] for code in sorted(shown)
    ]


def test_a_warehouse_that_was_never_reconciled_is_refused(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb", WarehouseSettings())
    with warehouse.write():
        pass

    with pytest.raises(UsageError, match="compute them with 'smsrecon reconcile'"):
        found(warehouse)


def test_segments_that_were_charged_beyond_our_count_show_in_status_too(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, alerts=ALERTS)
    warehouse = warehouse_with(tmp_path, one=["DELIVRD"] * 20)
    with warehouse.write() as connection:
        connection.execute("INSERT INTO core.loads VALUES (1, now())")
        for hour, balance in ((7, 1000), (9, 975)):
            connection.execute(
                "INSERT INTO core.balances VALUES (?, ?, '', 1)", [f"2026-11-09 {hour:02}:30:00+08", balance]
            )
    reconcile(warehouse, as_of=NOON, report_window_hours=WINDOW)

    assert [finding.message for finding in account_findings(settings, as_of=NOON - timedelta(hours=3))] == [
        "the balance fell since yesterday by 5 segments more than the 20 that were accepted, a difference of more than "
        "1.0%; ask the vendor whether a signature is added to the texts, and see: "
        "smsrecon sql 'FROM marts.balance_reconciliation'"
    ]
    assert account_findings(settings, as_of=NOON) == []


def test_refused_pushes_are_counted_by_reason() -> None:
    assert refused_pushes({}, AlertSettings()) == []
    assert refused_pushes({"sign": 2}, AlertSettings(max_refused_pushes=2)) == []
    assert refused_pushes({"sign": 2, "address": 1}, AlertSettings(max_refused_pushes=2)) == [
        Finding(
            "refused_pushes",
            "pushes by the secret path that were refused within a day: 3 (address 1, sign 2); see landing/refused, "
            "then correct [receive], or ask the vendor why they differ",
            exit_code=16,
            value=3,
            bound=2,
        )
    ]


def test_a_balance_is_low_below_its_bound_only() -> None:
    settings = AlertSettings(min_balance=1000)

    assert low_balance(1000, settings) == []
    assert low_balance(999, settings) == [
        Finding(
            "low_balance",
            "the balance is 999 segments, fewer than 1,000; top up the account",
            exit_code=16,
            value=999,
            bound=1000,
        )
    ]


def test_an_error_can_be_a_finding() -> None:
    error = BooksError("no reports were ever pulled for a day; pull it")

    assert Finding.of("books", error) == Finding(
        "books", "no reports were ever pulled for a day; pull it", exit_code=14
    )

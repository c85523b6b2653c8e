"""With --json every command prints one object on standard output, of a shape to rely on, and nothing else."""

import pytest

from pipelines.contracts.reconciled import STATUSES
from tests.support.places import CONTENT, Closed, Ended, Place, close_books

LOADED = {
    "file_count", "record_count", "accepted_count", "rejected_count", "new_report_count", "new_reply_count",
    "campaign_count",
}  # fmt: skip
RECONCILED = {
    "campaign_count", "row_count", "statuses", "report_count", "exceptions", "missing_days", "failed_checks",
    "is_balanced",
}  # fmt: skip
BOOKS = {
    "campaign_id", "as_of", "rows", "statuses", "batches", "is_balanced", "is_mature", "paused_reason",
    "first_submitted_at", "last_submitted_at", "rates", "latency_seconds", "reply_count", "opt_out_count",
    "near_opt_out_count", "accepted_segment_count",
    "accepted_cost", "failed_cost", "proven_batch_count", "proven_message_count",
}  # fmt: skip
SHAPES = {
    "doctor": {"findings"},
    "status": {"campaigns", "purged", "problems"},
    "status autumn-sale": BOOKS | {"reasons", "codes", "refusals", "exceptions", "problems"},
    "pull --days 1": {"pulled", "balance"},
    "balance": {"balance"},
    "load": LOADED,
    "reconcile": RECONCILED,
    "publish": {
        "version", "message_count", "reply_count", "mart_count", "is_new", "written_file_count", "shared_file_count",
        "notes", "left_over",
    },
    "rebuild": LOADED | RECONCILED,
    "audit": {"as_of", "table_count", "differences", "notes", "problems"},
    "audit --from-landing": {"as_of", "table_count", "differences", "notes", "problems"},
    "journal repair": {"is_needed", "is_done", "campaigns"},
    "daily": {
        "pulled_record_count", "loaded_record_count", "rejected_record_count", "new_report_count", "new_reply_count",
        "statuses", "is_balanced", "balance", "problems",
    },
    "suppress review": {"replies", "listed_count"},
    "sql": {"rows"},
    "sql 'FROM messages'": {"rows"},
    "sql 'FROM replies'": {"rows"},
    "sql 'FROM exceptions'": {"rows"},
}  # fmt: skip


@pytest.mark.parametrize("command", SHAPES)
def test_json_is_one_object_without_phones_or_texts_and_nothing_else(command: str, closed: Closed) -> None:
    if command.startswith("audit"):
        close_books(closed)

    ended = closed.run(f"{command} --json")

    assert (ended.code, ended.err) == (0, "")
    assert set(ended.object) == SHAPES[command]
    assert not [phone for phone in closed.phones if phone in ended.out]
    assert "云鋒網絡" not in ended.out


def test_the_status_of_a_campaign_holds_every_status_and_every_batch_state(closed: Closed) -> None:
    status = closed.run("status autumn-sale --json").object

    assert (status["campaign_id"], status["rows"], status["is_balanced"]) == ("autumn-sale", 2000, True)
    assert list(status["statuses"]) == list(STATUSES)
    assert sum(status["statuses"].values()) == 2000
    assert set(status["batches"]) == {"accepted", "refused", "in_doubt", "not_sent", "split"}
    assert status["accepted_cost"] is status["failed_cost"] is None
    assert (status["proven_batch_count"], status["proven_message_count"]) == (1, 100)
    assert set(status["rates"]) == {"delivered_of_accepted_rate", "delivered_of_reported_rate", "coverage_rate"}
    for rate in status["rates"].values():
        assert set(rate) == {"value", "low", "high", "numerator", "denominator"}
        assert rate["low"] <= rate["value"] <= rate["high"]
    assert status["as_of"].endswith("+08:00")
    assert status["codes"]
    assert all(code["whose_move"] == code["responsible_party"] for code in status["codes"])  # one of them deprecated

    (campaign,) = closed.run("status --json").object["campaigns"]
    assert campaign | {"as_of": ""} == {name: status[name] for name in campaign} | {"as_of": ""}


def test_money_is_shown_where_a_price_is_set(closed: Closed) -> None:
    status = closed.run("status autumn-sale --json", SMSRECON_BILLING__PRICE_PER_SEGMENT="0.05").object

    assert status["accepted_cost"] == pytest.approx(status["accepted_segment_count"] * 0.05)
    assert 0 < status["failed_cost"] < status["accepted_cost"]


def test_a_dry_run_is_one_object_and_plans_what_is_then_sent(sending: Place) -> None:
    submit = f"submit people.parquet --campaign c --content {CONTENT} --json"

    plan = _good(sending.run(f"{submit} --dry-run"))
    assert set(plan) == {
        "campaign_id", "file_count", "left_out", "rows", "dispositions", "reasons", "message_count", "batch_count",
        "segment_count", "balance", "cost", "first_texts",
    }  # fmt: skip
    assert plan["dispositions"] == {"invalid": 1, "duplicate": 0, "suppressed": 0, "planned": 2}
    assert not (sending.folder / "data/landing/campaigns").exists()

    sent = _good(sending.run(submit))
    assert set(sent) == {
        "campaign_id", "left_out", "message_count", "submitted_now", "still_to_send", "in_doubt_batch_count",
        "refused_batch_count", "paused_reason",
    }  # fmt: skip
    assert sent["submitted_now"] == {"accepted": plan["message_count"], "refused": 0, "in_doubt": 0, "suppressed": 0}

    again = _good(sending.run("resume c --json"))
    assert again == sent | {"submitted_now": {"accepted": 0, "refused": 0, "in_doubt": 0, "suppressed": 0}}


def test_a_demo_is_one_object_too(place: Place) -> None:
    demo = place.run("demo --recipients 1000 --dir d --json")

    assert demo.code == 0
    assert demo.object["campaign_id"] == "autumn-sale"
    assert demo.object["is_balanced"] is True


def test_odd_values_of_a_query_are_json_too(closed: Closed) -> None:
    columns = {
        "sum(i)": 3,
        "1.50": 1.5,
        "'nan'::DOUBLE": None,
        "[1, 2]": [1, 2],
        "{'a': 1}": {"a": 1},
        "DATE '2026-11-11'": "2026-11-11",
        "TIMESTAMPTZ '2026-11-11 00:00:00Z'": "2026-11-11T08:00:00+08:00",
        "NULL": None,
    }
    named = ", ".join(f"{value} AS c{number}" for number, value in enumerate(columns))

    (row,) = closed.run(f'sql --json "SELECT {named} FROM range(3) AS t (i)"').object["rows"]

    assert list(row.values()) == list(columns.values())


def _good(ended: Ended) -> dict[str, object]:
    assert (ended.code, ended.err) == (0, "")
    return ended.object

"""The flows of a day: each step is a task, the verdict is the last one, and findings become events and alerts."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import duckdb
import pytest

from pipelines.flows.books import audit, daily, reconcile
from pipelines.flows.campaign import submit_campaign
from pipelines.flows.collect import pull_replies, pull_reports, watch_balance
from tests.flows.places import API, CONTENT, FlowPlace, flush_to_server, until

AN_HOUR = 3600.0
STEPS = [
    "pull reports",
    "pull replies",
    "read balance",
    "load",
    "reconcile",
    "suppress",
    "publish",
    "look at figures",
    "verdict",
]


def send(place: FlowPlace, count: int = 200) -> None:
    """Send a campaign, and let an hour pass at the gateway, so that most reports have arrived."""
    assert submit_campaign("spring", place.people(count), CONTENT, return_state=True).is_completed()
    place.gateway.control(clock_shift_seconds=AN_HOUR)


@contextmanager
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that accepts webhook messages, and the list of those it got."""
    received: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/robot?access_token=s3cr3t-token", received
        server.shutdown()


def test_a_day_without_a_finding_closes_the_books_and_shows_them(api: API, place: FlowPlace) -> None:
    place.configure(alerts="min_message_count = 1000")  # the gateway draws codes and orphans by lot
    send(place)

    state = daily(return_state=True)

    assert state.name == "Completed"
    assert re.fullmatch("balanced: 200 rows; new reports: [0-9]{3}", str(state.message))
    run = api.run(state.state_details.flow_run_id)
    assert run["name"].startswith("daily 20")
    tasks = api.tasks(run["id"], len(STEPS))
    assert list(tasks) == STEPS
    assert set(tasks.values()) == {"Completed"}
    artifacts = api.artifacts(run["id"])
    (row,) = json.loads(artifacts["books"])
    assert (row["campaign"], row["rows"], row["balanced"]) == ("spring", 200, "yes")
    assert sum(row[status] for status in ("accepted", "delivered", "failed")) == 200
    page = artifacts["campaign-spring"]
    assert page.startswith("# Campaign spring, as of ")
    for part in ("## The books", "## Rates", "delivered / accepted", "rows of the file | 200"):
        assert part in page
    assert (place.folder / "data/published/analytics.duckdb").as_uri() in artifacts["published-database"]


def test_without_the_gateway_the_books_are_closed_and_the_verdict_fails(api: API, place: FlowPlace) -> None:
    send(place)
    place.configure(gateway='base_url = "http://127.0.0.1:1/"\napp_key = "sandbox-key"\napp_secret = "sandbox-secret"')

    state = daily(return_state=True)

    assert state.name == "Failed"
    assert "the gateway" in str(state.message)
    tasks = api.tasks(state.state_details.flow_run_id, len(STEPS))
    failed = ["pull reports", "pull replies", "read balance", "verdict"]
    assert {name for name, how in tasks.items() if how == "Failed"} == {*failed}
    assert [tasks[name] for name in STEPS if name not in failed] == ["Completed"] * 5
    assert "books" in api.artifacts(state.state_details.flow_run_id)


def test_a_finding_fails_the_verdict_is_an_event_and_goes_to_the_webhook(api: API, place: FlowPlace) -> None:
    send(place)
    with webhook() as (url, received):
        rules = "min_delivery_rate = 1.0\nmin_message_count = 1\nmax_orphan_share = 1.0"  # orphans are drawn by lot
        place.configure(alerts=f'webhook_url = "{url}"\n{rules}')

        state = daily(return_state=True)

    assert state.name == "Failed"
    assert "campaign spring" in str(state.message)
    assert api.tasks(state.state_details.flow_run_id, len(STEPS) + 1)["verdict"] == "Failed"
    assert [finding["rule"] for finding in received[0]["findings"]] == ["low_delivery_rate"]
    flush_to_server()
    events = until(lambda: api.events("smsrecon.finding.low_delivery_rate") or None)
    event = next(each for each in events if str(state.state_details.flow_run_id) in json.dumps(each["related"]))
    assert event["resource"]["prefect.resource.id"] == "smsrecon.campaign.spring"
    assert event["payload"]["bound"] == 1.0


def test_a_failing_webhook_is_a_finding_too(place: FlowPlace) -> None:
    send(place, 20)
    place.configure(alerts='webhook_url = "http://127.0.0.1:1/robot?access_token=s3cr3t-token"\nmin_balance = 10000000')

    state = daily(return_state=True)

    assert "the balance is" in str(state.message)
    assert "the alert may not have arrived" in str(state.message)
    assert "s3cr3t" not in str(state.message)


def test_a_busy_warehouse_is_retried_and_a_bug_is_not(
    api: API, place: FlowPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(place, 20)
    place.configure(schedule="retry_delays_seconds = [0.1, 0.1]", warehouse="busy_timeout_seconds = 0.0")
    warehouse = str(place.folder / "data" / "warehouse.duckdb")
    assert reconcile(return_state=True).is_completed()

    with duckdb.connect(warehouse):  # held by this process
        busy = reconcile(return_state=True)

    assert "warehouse" in str(busy.message)
    only = {"id": {"any_": [str(busy.state_details.flow_run_id)]}}
    runs = {run["name"]: run for run in api.ask("/task_runs/filter", flow_runs=only)}
    assert (runs["load"]["state_name"], runs["load"]["run_count"]) == ("Failed", 3)

    monkeypatch.setattr(
        "pipelines.operations.daily.load", lambda *_, **__: duckdb.sql("SELECT CAST('13912345678x' AS INTEGER)").pl()
    )
    bug = reconcile(return_state=True)

    assert "ConversionException at " in str(bug.message)
    tasks = api.tasks(bug.state_details.flow_run_id, 5)
    assert tasks["load"] == tasks["verdict"] == "Failed"
    assert {tasks[name] for name in ("reconcile", "suppress", "publish")} == {"Completed"}
    only = {"id": {"any_": [str(bug.state_details.flow_run_id)]}}
    assert {run["run_count"] for run in api.ask("/task_runs/filter", flow_runs=only)} == {1}
    flush_to_server()
    assert b"13912345678" not in api.database.read_bytes()


def test_pulls_of_a_day_of_a_window_and_of_replies_say_what_they_brought(api: API, place: FlowPlace) -> None:
    send(place)

    window = pull_reports(days=2, return_state=True)
    day = pull_reports(day="2026-01-05", return_state=True)
    replies = pull_replies(return_state=True)

    assert str(window.message).endswith(" records")
    assert not str(window.message).startswith("0 ")
    assert day.message == "0 records"
    assert replies.is_completed()
    names = [api.run(state.state_details.flow_run_id)["name"] for state in (window, day, replies)]
    assert names == ["pull reports of 2 days", "pull reports of 2026-01-05", "pull replies"]
    assert api.artifacts(window.state_details.flow_run_id) == {None: 100.0}


def test_a_low_balance_fails_one_run_and_no_other_until_it_was_topped_up(place: FlowPlace) -> None:
    def watched(balance: int) -> str | None:
        place.gateway.control(balance=balance)
        state = watch_balance(return_state=True)
        return f"{state.name}: {state.message}"

    with webhook() as (url, received):
        place.configure(alerts=f'webhook_url = "{url}"\nmin_balance = 500')
        ends = [watched(balance) for balance in (1000, 400, 300, 1000, 400)]

    low = "Failed: the balance is 400 segments, fewer than 500; top up the account"
    enough = "Completed: 1,000 segments left"
    assert ends == [enough, low, "Completed: still low: 300 segments left", enough, low]
    assert len(received) == 2


def test_an_audit_shows_the_tables_that_differ_and_fails_at_its_verdict(api: API, place: FlowPlace) -> None:
    send(place)
    place.configure(alerts="min_message_count = 1000", policy="suppress = []")
    assert reconcile(return_state=True).is_completed()

    right = audit(return_state=True)

    assert re.fullmatch("no difference: [0-9]+ tables", str(right.message))
    assert api.tasks(right.state_details.flow_run_id, 2) == {"audit": "Completed", "verdict": "Completed"}
    (row,) = json.loads(api.artifacts(right.state_details.flow_run_id)["audit"])
    assert row["table"] == "no difference"

    with duckdb.connect(str(place.folder / "data" / "warehouse.duckdb")) as connection:
        connection.execute("UPDATE core.message_status SET code = 'x' WHERE input_row = 3")
    wrong = audit(return_state=True)

    assert wrong.name == "Failed"
    assert "core.message_status differs" in str(wrong.message)
    run = api.run(wrong.state_details.flow_run_id)
    assert run["name"].startswith("audit 20")
    assert api.tasks(run["id"], 2) == {"audit": "Completed", "verdict": "Failed"}
    (row,) = json.loads(api.artifacts(run["id"])["audit"])
    assert (row["table"], row["only here"], row["only computed again"]) == ("core.message_status", 1, 1)
    assert row["the first rows"] == "changed: campaign_id=spring input_row=3 (code)"
    flush_to_server()
    assert until(lambda: api.events("smsrecon.finding.audit_difference") or None)

"""The books of a campaign are the same with pushes only, pulls only, and both."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.operations import daily
from pipelines.warehouse.database import warehouse_of
from tests.support.books import assert_books_agree
from tests.support.depth import cases
from tests.support.endpoint import PATH_SECRET, Endpoint, receiving
from tests.support.worlds import World, running_world

ROWS = 240
SIGNED = {"SMSRECON_RECEIVE__SIGN": "md5"}
AT_SANDBOX = {"SMSRECON_GATEWAY__APP_KEY": "sandbox-key", "SMSRECON_GATEWAY__APP_SECRET": "sandbox-secret"}


def books_of(folder: Path, way: str, **sandbox: Any) -> dict[str, Any]:
    """Send a campaign, receive its reports, and return the books of each message and reply."""
    folder.mkdir()
    with receiving(folder, AT_SANDBOX | SIGNED) as endpoint:
        pushes = {} if way == "pull" else {
            "push_url": f"{endpoint.base_url}/push/{PATH_SECRET}", "push_retry_seconds": (0.2,) * 200,
            "push_duplicate_rate": 0.1, "push_connections": 8, "push_stamp": "due",
        }  # fmt: skip
        with running_world(folder, seed=7, **pushes, **sandbox) as world:
            world.send("first", ROWS, 7)
            world.move_to(timedelta(0))
            if way != "pull":
                _wait_for_pushes(world, endpoint)
                endpoint.stop()  # which seals all segments
            if way != "push":
                world.collect()
            daily.close_books(world.settings, clock=world.clock)
            if way == "pull":
                assert_books_agree(world)
            return _books(world)


def _wait_for_pushes(world: World, endpoint: Endpoint) -> None:
    for _ in range(600):
        state = world.sandbox.control()["pushes"]
        if state["due"] == state["waiting"] == 0:
            assert state["given_up"] == 0
            assert endpoint.metrics()["smsrecon_pushes_received_total"] >= state["answered"]
            return
        time.sleep(0.05)
    raise AssertionError(f"not all was pushed: {state}")


def _books(world: World) -> dict[str, Any]:
    queries = {
        "codes": "SELECT code, message_count FROM marts.code_breakdown ORDER BY ALL",
        "figures": "SELECT row_count, delivered_count, failed_count, unreported_count, reply_count, opt_out_count"
        " FROM marts.campaign_delivery",
        "replies": "SELECT phone, character_count, is_opt_out, message_id IS NULL FROM core.reply_matches ORDER BY ALL",
        "listed": "SELECT phone, reason FROM core.suppressions ORDER BY ALL",
    }
    daily.load(world.settings)
    with warehouse_of(world.settings).read() as connection:
        return {"statuses": world.statuses()} | {
            name: connection.execute(query).fetchall() for name, query in queries.items()
        }


@pytest.fixture(scope="module")
def by_pull(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return books_of(tmp_path_factory.mktemp("pull") / "a", "pull")


def test_the_books_to_compare_with_have_replies_and_opt_outs(by_pull: dict[str, Any]) -> None:
    assert len(by_pull["replies"]) > 2
    assert any(is_opt_out for _, _, is_opt_out, _ in by_pull["replies"])
    assert by_pull["listed"]  # phones that opted out get nothing of the next campaign


@pytest.mark.parametrize("way", cases(fast=["push"], deep=["push", "both"]))
def test_pushes_pulls_and_both_give_the_same_books(tmp_path: Path, way: str, by_pull: dict[str, Any]) -> None:
    assert books_of(tmp_path / "b", way) == by_pull


@pytest.mark.parametrize("way", cases(fast=["both"], deep=["push", "both"]))
def test_a_gateway_that_hands_out_each_record_once_gives_the_same_books(
    tmp_path: Path, way: str, by_pull: dict[str, Any]
) -> None:
    assert books_of(tmp_path / "b", way, report_mode="drain") == by_pull

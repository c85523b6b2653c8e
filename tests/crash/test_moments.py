"""Deaths at chosen moments: each needs one protection of the code, and its laws fail without it.

The moments that any gateway serves happen in one life in the fast lane, whose end takes longer than they do, and in a
life each in the deep lane. The others need a gateway that hands out each record once.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from tests.crash.life import Life
from tests.crash.places import running_place
from tests.support.depth import cases

pytestmark = pytest.mark.usefixtures("journal_place")

SENT = timedelta(hours=80)  # ago: longer than the report window

SENDING = ("journal.before_sending", "journal.after_sending", "gateway.answer_begun", "gateway.answer_read",
           "journal.before_outcome", "journal.after_outcome")  # fmt: skip
PULLING = ("landing.before_call", "gateway.before_request", "gateway.answer_begun", "gateway.answer_read",
           "landing.before_unmark")  # fmt: skip

PUBLISHING = cases(
    fast=("publish.between_files:3", "publish.after_database", "publish.after_rename"),
    deep=(
        *(f"publish.between_files:{times}" for times in (1, 2, 3, 16)),
        "publish.after_parquet",
        "publish.after_database",
        "publish.before_rename",
        "publish.after_rename",
    ),
)


def a_sender_that_dies_on_any_side_of_a_request_neither_loses_nor_doubles_a_message(life: Life) -> None:
    campaign_id = life.new_campaign(240)
    for times in (2, 4):  # the first request is a query of the balance
        for point in SENDING:
            assert life.die(f"submit {campaign_id}", failpoint=f"{point}:{times}"), point


def two_processes_send_one_campaign_once(life: Life) -> None:
    command = f"submit {life.new_campaign(240)}"
    assert life.die(command, failpoint="plan.after_register")
    for number in range(4):
        with life.alongside(command, kill_after=None if number % 2 else 0.5):
            life.kill(command, failpoint=f"gateway.answer_read:{4 + number}")
        life.laws.hold_after_death()


def two_publishers_leave_a_whole_copy_and_so_does_one_that_dies(life: Life) -> None:
    life.new_campaign(60)
    life.finish()
    for point in PUBLISHING:
        life.bring_news()
        assert life.die("publish", failpoint=point), point
        with life.alongside("publish", kill_after=None):
            assert life.place.run("publish").code == 0
        life.laws.hold_after_death()


def a_reconcile_that_dies_half_way_leaves_the_old_figures(life: Life) -> None:
    life.new_campaign(120)
    life.finish()
    life.place.move_to(SENT - timedelta(minutes=30))  # most reports are due now
    assert {life.place.run(command).code for command in ("pull", "load")} == {0}
    for times in cases(fast=(16,), deep=(12, 16, 20)):  # the statuses are computed, and not all marts
        assert life.die("reconcile", failpoint=f"reconcile.between_tables:{times}")
        assert life.place.run("publish").code == 0
        life.laws.readable()


MOMENTS = (
    a_sender_that_dies_on_any_side_of_a_request_neither_loses_nor_doubles_a_message,
    two_processes_send_one_campaign_once,
    two_publishers_leave_a_whole_copy_and_so_does_one_that_dies,
    a_reconcile_that_dies_half_way_leaves_the_old_figures,  # last: it moves the clock
)


@pytest.mark.parametrize("moments", cases(fast=[MOMENTS], deep=[[moment] for moment in MOMENTS]))
def test_the_laws_hold_at_each_moment_and_at_the_end(tmp_path: Path, moments: Sequence[Callable[[Life], None]]) -> None:
    with running_place(tmp_path) as place:
        life = Life(place, seed=1)
        place.move_to(SENT)
        for moment in moments:
            moment(life)
        life.end()


def test_a_pull_that_dies_loses_at_most_the_answer_on_the_wire_and_logs_the_call(tmp_path: Path) -> None:
    with running_place(tmp_path, report_mode="drain", max_records_per_call=3) as place:
        life = Life(place, seed=2)
        place.move_to(SENT)
        place.run(f"submit {life.new_campaign(240)}")
        place.move_to(SENT - timedelta(minutes=30))
        for times in range(5, 9):  # the day of the sending is the last of five
            for point in PULLING:
                assert life.die("pull", failpoint=f"{point}:{times}")
        assert life.laws.missing
        life.end()


def test_a_load_that_dies_half_way_changes_nothing(tmp_path: Path) -> None:
    with running_place(tmp_path, report_mode="drain", max_records_per_call=40) as place:
        life = Life(place, seed=5)
        place.move_to(SENT)
        place.run(f"submit {life.new_campaign(120)}")
        place.move_to(SENT - timedelta(minutes=30))
        place.run("pull")
        for times in (5, 4, 2):  # reports, balances, rejects and pulls, and last core.files
            assert life.die("load", failpoint=f"load.between_tables:{times}")
        life.end()

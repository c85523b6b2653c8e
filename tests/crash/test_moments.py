"""Deaths at chosen moments: each test needs one protection of the code, and fails without it."""

from datetime import timedelta
from pathlib import Path

from tests.crash.life import Life
from tests.crash.places import running_place
from tests.support.depth import cases
from tests.support.starters import Starter

SENT = timedelta(hours=80)  # ago: longer than the report window

SENDING = ("journal.before_sending", "journal.after_sending", "gateway.answer_begun", "gateway.answer_read",
           "journal.before_outcome", "journal.after_outcome")  # fmt: skip
PULLING = ("landing.before_call", "gateway.before_request", "gateway.answer_begun", "gateway.answer_read",
           "landing.before_unmark")  # fmt: skip

PUBLISHING = cases(
    fast=("publish.after_database", "publish.after_rename"),
    deep=("publish.after_parquet", "publish.after_database", "publish.before_rename", "publish.after_rename"),
)


def test_a_sender_that_dies_on_any_side_of_a_request_neither_loses_nor_doubles_a_message(
    tmp_path: Path, two_starters: list[Starter]
) -> None:
    starter, other = two_starters
    with running_place(tmp_path, starter) as place:
        life = Life(place, other, seed=1)
        place.move_to(SENT)
        campaign_id = life.new_campaign(240)
        for times in (2, 4):  # the first request is a query of the balance
            for point in SENDING:
                assert life.die(f"submit {campaign_id}", failpoint=f"{point}:{times}")
        life.end()


def test_a_pull_that_dies_loses_at_most_the_answer_on_the_wire_and_logs_the_call(
    tmp_path: Path, two_starters: list[Starter]
) -> None:
    starter, other = two_starters
    with running_place(tmp_path, starter, report_mode="drain", max_records_per_call=3) as place:
        life = Life(place, other, seed=2)
        place.move_to(SENT)
        place.run(f"submit {life.new_campaign(240)}")
        place.move_to(SENT - timedelta(minutes=30))
        for times in range(5, 9):  # the day of the sending is the last of five
            for point in PULLING:
                assert life.die("pull", failpoint=f"{point}:{times}")
        assert life.laws.missing
        life.end()


def test_two_processes_send_one_campaign_once(tmp_path: Path, two_starters: list[Starter]) -> None:
    starter, other = two_starters
    with running_place(tmp_path, starter) as place:
        life = Life(place, other, seed=3)
        place.move_to(SENT)
        command = f"submit {life.new_campaign(240)}"
        assert life.die(command, failpoint="plan.after_register")
        for number in range(4):
            with life.alongside(command, kill_after=None if number % 2 else 0.5):
                life.kill(command, failpoint=f"gateway.answer_read:{4 + number}")
            life.laws.hold_after_death()
        life.end()


def test_two_publishers_leave_a_whole_copy_and_so_does_one_that_dies(
    tmp_path: Path, two_starters: list[Starter]
) -> None:
    starter, other = two_starters
    with running_place(tmp_path, starter) as place:
        life = Life(place, other, seed=4)
        place.move_to(SENT)
        life.new_campaign(60)
        life.finish()
        for point in PUBLISHING:
            assert life.die("publish", failpoint=point)
            with life.alongside("publish", kill_after=None):
                assert place.run("publish").code == 0
            life.laws.hold_after_death()
        life.end()


def test_a_load_that_dies_half_way_changes_nothing(tmp_path: Path, two_starters: list[Starter]) -> None:
    starter, other = two_starters
    with running_place(tmp_path, starter, report_mode="drain", max_records_per_call=40) as place:
        life = Life(place, other, seed=5)
        place.move_to(SENT)
        place.run(f"submit {life.new_campaign(120)}")
        place.move_to(SENT - timedelta(minutes=30))
        place.run("pull")
        for times in (5, 4, 2):  # reports, balances, rejects and pulls, and last core.files
            assert life.die("load", failpoint=f"load.between_tables:{times}")
        life.end()


def test_a_reconcile_that_dies_half_way_leaves_the_old_figures(tmp_path: Path, two_starters: list[Starter]) -> None:
    starter, other = two_starters
    with running_place(tmp_path, starter) as place:
        life = Life(place, other, seed=6)
        place.move_to(SENT)
        life.new_campaign(120)
        life.finish()
        place.move_to(SENT - timedelta(minutes=30))  # most reports are due now
        assert {place.run(command).code for command in ("pull", "load")} == {0}
        for times in cases(fast=(16,), deep=(12, 16, 20)):  # the statuses are computed, and not all marts
            assert life.die("reconcile", failpoint=f"reconcile.between_tables:{times}")
            assert place.run("publish").code == 0
            life.laws.readable()
        life.end()

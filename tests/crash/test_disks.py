"""On a full or unwritable disk a command fails with one line; afterwards everything continues, nothing is lost and
nothing is sent twice.
"""

import os
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from tests.crash.disks import small_disk, unwritable
from tests.crash.life import Life
from tests.crash.places import Ended, running_place
from tests.support.depth import cases

SENT = timedelta(hours=80)  # ago: longer than the report window
STEPS = ("submit", "pull", "load", "reconcile", "publish", "daily", "rebuild", "balance")

# The free kilobytes, and who runs with them: in the fast lane every step without any, and with some those that write.
ROOM = cases(
    fast={0: STEPS, 24: ("submit", "pull", "load"), 400: ("reconcile", "publish")},
    deep=dict.fromkeys((0, 24, 400), STEPS),
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mount and chattr are Linux's")


def test_a_full_or_read_only_disk_is_an_error_of_one_line_and_everything_continues_afterwards(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk") as disk,
        running_place(tmp_path / "place", data_dir=disk.path / "data", report_mode="drain") as place,
    ):
        life = begun(Life(place, seed=1))
        failed: Counter[str] = Counter()
        for kilobytes, steps in ROOM.items():
            for step in steps:
                command = _with_its_work(life, step)
                with disk.full(but=kilobytes * 1024):
                    ended = place.run(command)
                failed[step] += _is_one_line(ended, "No space left on device", "disk is full", "disk I/O error")
                life.laws.hold_after_death()
        assert failed.keys() >= {"submit", "pull", "load", "reconcile", "publish", "daily"}
        for step in STEPS:
            command = _with_its_work(life, step)
            with disk.read_only():
                ended = place.run(command)
            assert _is_one_line(ended, "Read-only file system", "unable to open database file"), ended
        life.end()


UNWRITABLE = {
    "landing/journal.sqlite": ("submit",),
    "landing/campaigns": ("submit",),
    "landing/pending": ("submit", "pull", "daily"),
    "warehouse.duckdb": ("load", "reconcile", "rebuild"),
    ".published": ("publish",),
}


def test_an_unwritable_path_is_an_error_of_one_line(tmp_path: Path) -> None:
    with running_place(tmp_path) as place:
        life = begun(Life(place, seed=3))
        for path, step in ((path, step) for path, steps in UNWRITABLE.items() for step in steps):
            command = _with_its_work(life, step)
            with unwritable(place.settings.data_dir / path):
                ended = place.run(command)
            assert _is_one_line(ended, "not permitted", "readonly database", "Permission denied"), ended
        life.end()


def begun(life: Life) -> Life:
    """Run every command of a life once."""
    life.place.move_to(SENT)
    life.new_campaign(60)
    life.finish()
    return life


def _with_its_work(life: Life, step: str) -> str:
    """The command of a step, with something to do for it."""
    if step == "publish":
        life.bring_news()
    return f"submit {life.new_campaign(60)}" if step == "submit" else step


def _is_one_line(ended: Ended, *words: str) -> bool:
    """True if the command failed with one line about the machine; else it must have succeeded."""
    if ended.code != 2:
        assert ended.code in {0, 13, 16}, ended
        return False
    assert ended.err.startswith("smsrecon: "), ended.err
    assert ended.err.count("\n") == 1, ended.err
    assert any(word in ended.err for word in words), ended.err
    assert os.sep + "tests" + os.sep not in ended.err
    return True

"""What a killed process has written by half is cleared away in daily life, and what others are writing is not."""

import os
import signal
import time
from pathlib import Path

import polars as pl
import pytest

from tests.support.places import CONTENT, Place

HOUR = 3600


def drafts(place: Place) -> list[Path]:
    return sorted((place.folder / "data").rglob(".draft-*"))


@pytest.mark.parametrize("command", ["load", "status"])
def test_a_plan_that_was_never_finished_is_cleared_away_an_hour_later(command: str, place: Place) -> None:
    point = {"SMSRECON_FAILPOINT": "plan.before_sync"}
    with place.start(f"submit people.parquet --campaign c --content {CONTENT}", variables=point) as killed:
        killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    (draft,) = drafts(place)
    assert "13800000001" in pl.read_parquet(draft, glob=False)["phone"]

    assert place.run(command).code == 0
    assert drafts(place) == [draft]  # somebody may be writing it
    os.utime(draft, (time.time() - 1.1 * HOUR,) * 2)

    assert place.run(command).code == 0
    assert drafts(place) == []


def test_a_draft_that_gets_its_name_meanwhile_keeps_nobody_from_loading(place: Place) -> None:
    assert place.run("load").code == 0
    (place.folder / "data/landing").mkdir(exist_ok=True)
    (place.folder / "data/landing/.draft-gone").symlink_to("nowhere")  # listed, and not there any more

    assert place.run("load").code == 0

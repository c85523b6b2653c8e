"""Unfinished files of killed processes are removed by everyday commands; files that are being written are not."""

import os
import time
from pathlib import Path

import polars as pl
import pytest

from tests.support.places import CONTENT, Place

HOUR = 3600


def drafts(place: Place) -> list[Path]:
    return sorted((place.folder / "data").rglob(".draft-*"))


@pytest.mark.parametrize("command", ["load", "status"])
def test_an_unfinished_plan_is_removed_an_hour_later(command: str, place: Place) -> None:
    place.die(f"submit people.parquet --campaign c --content {CONTENT}", "plan.before_sync")
    (draft,) = drafts(place)
    assert "13800000001" in pl.read_parquet(draft, glob=False)["phone"]

    assert place.run(command).code == 0
    assert drafts(place) == [draft]  # another process may be writing it
    os.utime(draft, (time.time() - 1.1 * HOUR,) * 2)

    assert place.run(command).code == 0
    assert drafts(place) == []


def test_a_draft_that_is_renamed_meanwhile_does_not_stop_a_load(place: Place) -> None:
    assert place.run("load").code == 0
    (place.folder / "data/landing").mkdir(exist_ok=True)
    (place.folder / "data/landing/.draft-gone").symlink_to("nowhere")  # it is listed, but does not exist any more

    assert place.run("load").code == 0

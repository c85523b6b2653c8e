"""Eight processes on one data folder: who fails was told to try again, no reader ever fails, and nothing is lost."""

from pathlib import Path

import pytest

from tests.contention.eight import trial
from tests.support.depth import cases

pytestmark = pytest.mark.usefixtures("journal_place")


def test_eight_at_once_never_fail_and_lose_nothing(tmp_path: Path) -> None:
    record = trial(tmp_path, seconds=cases(fast=3, deep=30))

    assert not record.complaints
    assert all(codes[0] for codes in record.codes.values())

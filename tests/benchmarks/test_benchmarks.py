"""The parts of each benchmark run at a tiny size, and one of them as `make bench` runs it."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import BENCHMARKS, compare, run_all, show
from tests.benchmarks.part import run_part
from tests.support.depth import cases

PLAN = next(each for each in BENCHMARKS if each.name == "plan")

# Those that start servers are left to the tests of these servers.
TINY = {
    "plan": 2000,
    "load": 2000,
    "reconcile": 10_000,
    "quiet_history": 5000,
    "status_history": 5000,
    "day_history": 5000,
    "day_share": 5000,
    "campaigns": 5000,
    "pushes_year": 200,
}


@pytest.mark.parametrize("name", cases(fast=["load", "reconcile", "campaigns"], deep=[*TINY]))
def test_both_parts_of_a_benchmark_run(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    run_part(name, "prepare", folder, TINY[name])

    for side in ("floor", "real", "real"):  # again, as for a median
        run_part(name, f"before_{side}", folder, TINY[name])
        assert run_part(name, side, folder, TINY[name]) > 0


def test_a_comparison_names_ratio_and_aim_and_leaves_nothing_behind(tmp_path: Path) -> None:
    result = compare(PLAN._replace(rows=TINY["plan"], runs=1), tmp_path)
    show([result])

    assert (result["name"], result["aim"]) == ("plan", 2.5)
    assert float(str(result["ratio"])) > 0
    assert result["is_within"] in {True, False}
    assert not [*tmp_path.iterdir()]


def test_benchmarks_need_a_disk_that_is_large_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9))

    with pytest.raises(SystemExit, match=r"need about 9\.3; choose another folder by TMPDIR"):
        run_all([PLAN._replace(rows=20_000_000)])

"""The parts of each benchmark run at a tiny size, and one of them as `make bench` runs it."""

import importlib
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import BENCHMARKS, compare, show
from tests.support.depth import cases

# Those that start servers are left to the tests of these servers.
TINY = {
    "plan": 2000,
    "load": 2000,
    "reconcile": 10_000,
    "quiet_history": 5000,
    "day_history": 5000,
    "day_share": 5000,
    "campaigns": 5000,
    "pushes_year": 200,
}


@pytest.mark.parametrize("name", cases(fast=["load", "reconcile", "campaigns"], deep=[*TINY]))
def test_both_parts_of_a_benchmark_run(name: str, tmp_path: Path) -> None:
    benchmark = importlib.import_module(f"tests.benchmarks.{name}")
    benchmark.prepare(tmp_path, TINY[name])

    assert benchmark.floor(tmp_path, TINY[name]) > 0
    assert benchmark.real(tmp_path, TINY[name]) > 0
    assert benchmark.real(tmp_path, TINY[name]) > 0  # again, as for a median


def test_a_comparison_names_ratio_and_aim() -> None:
    plan = next(each for each in BENCHMARKS if each.name == "plan")
    result = compare(plan._replace(rows=TINY["plan"], runs=1))
    show([result])

    assert (result["name"], result["aim"]) == ("plan", 2.5)
    assert float(str(result["ratio"])) > 0

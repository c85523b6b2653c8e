"""Speed and memory of the heavy steps, each beside a floor measured in the same run: `make bench`.

Each part runs in a process of its own, so that its peak memory is its own; real and floor take turns, and the medians
are compared, since these machines have noisy neighbours. The table says which aims are kept; the exit code stays 0.
All that is made lies in one temporary folder, a history once for all that need it, and is removed at the end.

A history that is far longer than the memory, once, with its quiet run, a day and a full run:

    python -m tests.benchmarks quiet_history day_share --scale 5 --day 200000 --memory-limit 4GB --runs 1
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from tests.benchmarks.history import MEMORY_LIMIT
from tests.benchmarks.new_day import DAY

# A history takes 35 bytes a message when loaded, 75 when closed; a benchmark has up to two copies, and DuckDB spills.
BYTES_PER_ROW: Final = 500


class Benchmark(NamedTuple):
    """A module of this folder: its rows, how many times the floor it may take, and how often both are run."""

    name: str
    rows: int
    aim: float
    runs: int
    max_seconds: float | None = None


BENCHMARKS = (
    Benchmark("plan", 1_000_000, 2.5, 5),
    Benchmark("submit", 200_000, 1.15, 5),
    Benchmark("submit_shared", 200_000, 1.15, 5),
    Benchmark("load", 1_000_000, 2.5, 3),
    Benchmark("reconcile", 1_000_000, 5.0, 3),
    Benchmark("reconcile", 10_000_000, 5.0, 3),
    Benchmark("receive", 20_000, 1.75, 3),
    Benchmark("quiet_history", 20_000_000, 1.3, 3, max_seconds=2.0),
    Benchmark("status_history", 20_000_000, 1.3, 5, max_seconds=1.0),
    Benchmark("day_history", 20_000_000, 1.5, 3),
    Benchmark("day_share", 20_000_000, 0.05, 1),
    Benchmark("campaigns", 5_000_000, 1.5, 3),
    Benchmark("pushes_year", 35_000, 1.5, 3),
)


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    arguments.add_argument("names", nargs="*", help=", ".join(dict.fromkeys(each.name for each in BENCHMARKS)))
    arguments.add_argument("--json", action="store_true", help="the figures as JSON")
    arguments.add_argument("--scale", type=float, default=1.0, help="a share of the rows, such as 0.1, to try it")
    arguments.add_argument("--runs", type=int, help="how often each is run, instead of its own number")
    arguments.add_argument("--day", type=int, help="messages of a new day, instead of a hundredth of the history")
    arguments.add_argument("--memory-limit", help="[warehouse] memory_limit of all runs, such as 4GB")
    chosen = arguments.parse_args()
    known = {each.name for each in BENCHMARKS}
    if unknown := sorted({*chosen.names} - known):
        arguments.error(f"there is no benchmark {unknown[0]}; choose from {', '.join(sorted(known))}")
    for variable, value in ((DAY, chosen.day), (MEMORY_LIMIT, chosen.memory_limit)):
        if value is not None:
            os.environ[variable] = str(value)
    benchmarks = [
        each._replace(rows=round(each.rows * chosen.scale), runs=chosen.runs or each.runs)
        for each in BENCHMARKS
        if not chosen.names or each.name in chosen.names
    ]
    results = run_all(benchmarks)
    if chosen.json:
        print(json.dumps(results, indent=2))
    else:
        show(results)


def run_all(benchmarks: Sequence[Benchmark]) -> list[dict[str, object]]:
    """Run the benchmarks one after another, in a temporary folder. Ends with a message if its disk is too small."""
    with tempfile.TemporaryDirectory(prefix="smsrecon-bench-") as folder:
        needed = BYTES_PER_ROW * max(each.rows for each in benchmarks)
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise SystemExit(
                f"{folder} has {free / 2**30:,.1f} GiB of free space, and these benchmarks need about"
                f" {needed / 2**30:,.1f}; choose another folder by TMPDIR, or fewer rows by --scale"
            )
        return [compare(each, Path(folder)) for each in benchmarks]


def compare(benchmark: Benchmark, scratch: Path) -> dict[str, object]:
    """Run the two sides of one benchmark in turns; what both need is in a folder of its own, removed afterwards."""
    name, rows, aim, runs, max_seconds = benchmark
    Console(stderr=True).print(f"{name} {rows:,} …", highlight=False)
    folder = scratch / f"{name}-{rows}"
    run(name, "prepare", folder, rows)
    parts = [tuple(run_side(name, side, folder, rows) for side in ("floor", "real")) for _ in range(runs)]
    shutil.rmtree(folder)
    floor, real = (median(part[side]["seconds"] for part in parts) for side in (0, 1))
    is_within = real <= aim * floor and (max_seconds is None or real <= max_seconds)
    return {
        "name": name,
        "rows": rows,
        "real_seconds": round(real, 3),
        "floor_seconds": round(floor, 3),
        "ratio": round(real / floor, 4 if aim < 1 else 2),
        "aim": aim,
        "max_seconds": max_seconds,
        "is_within": is_within,
        "memory_limit": os.environ.get(MEMORY_LIMIT),
        "rows_per_second": round(rows / real),
        "peak_mib": max(part[1]["peak_mib"] for part in parts),
        "floor_peak_mib": max(part[0]["peak_mib"] for part in parts),
    }


def run_side(name: str, side: str, folder: Path, rows: int) -> dict[str, float]:
    """Run one side, `real` or `floor`, after the part that makes what it uses up; returns what it measured."""
    run(name, f"before_{side}", folder, rows)
    return run(name, side, folder, rows)


def run(name: str, part: str, folder: Path, rows: int) -> dict[str, float]:
    """One part in a process of its own; returns what it measured."""
    command = [sys.executable, "-m", "tests.benchmarks.part", name, part, str(folder), str(rows)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def show(results: list[dict[str, object]]) -> None:
    table = Table(title="Times the floor", box=None, pad_edge=False)
    for heading in ("step", "rows", "rows/s", "real s", "floor s", "ratio", "aim", "within", "peak MiB", "floor MiB"):
        table.add_column(heading, justify="left" if heading == "step" else "right")
    for result in results:
        table.add_row(
            str(result["name"]),
            f"{int(str(result['rows'])) / 1e6:g} M",
            f"{int(str(result['rows_per_second'])) / 1000:,.0f} k",
            f"{result['real_seconds']:.2f}",
            f"{result['floor_seconds']:.2f}",
            f"{result['ratio']:.3g}",
            f"≤ {result['aim']}" + (f", {result['max_seconds']} s" if result["max_seconds"] is not None else ""),
            "yes" if result["is_within"] else "no",
            f"{result['peak_mib']:,.0f}",
            f"{result['floor_peak_mib']:,.0f}",
        )
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    main()

"""Speed and memory of the heavy steps, each beside a floor measured in the same run: `make bench`.

Each part runs in a process of its own, so that its peak memory is its own; real and floor take turns, and the medians
are compared, since these machines have noisy neighbours. A ratio over its aim is marked; the exit code stays 0.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.table import Table


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
    Benchmark("load", 1_000_000, 2.5, 3),
    Benchmark("reconcile", 1_000_000, 5.0, 3),
    Benchmark("reconcile", 10_000_000, 5.0, 3),
    Benchmark("receive", 20_000, 1.75, 3),
    Benchmark("quiet_history", 20_000_000, 1.3, 3, max_seconds=2.0),
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
    chosen = arguments.parse_args()
    results = [
        compare(each._replace(rows=round(each.rows * chosen.scale)))
        for each in BENCHMARKS
        if not chosen.names or each.name in chosen.names
    ]
    if chosen.json:
        print(json.dumps(results, indent=2))
    else:
        show(results)


def compare(benchmark: Benchmark) -> dict[str, object]:
    """Run the two parts of one benchmark in turns."""
    name, rows, aim, runs, max_seconds = benchmark
    Console(stderr=True).print(f"{name} {rows:,} …", highlight=False)
    with tempfile.TemporaryDirectory(prefix="smsrecon-bench-") as folder:
        run(name, "prepare", folder, rows)
        parts = [(run(name, "floor", folder, rows), run(name, "real", folder, rows)) for _ in range(runs)]
    floor, real = (median(part[side]["seconds"] for part in parts) for side in (0, 1))
    return {
        "name": name,
        "rows": rows,
        "real_seconds": round(real, 3),
        "floor_seconds": round(floor, 3),
        "ratio": round(real / floor, 4 if aim < 1 else 2),
        "aim": aim,
        "max_seconds": max_seconds,
        "rows_per_second": round(rows / real),
        "peak_mib": max(part[1]["peak_mib"] for part in parts),
        "floor_peak_mib": max(part[0]["peak_mib"] for part in parts),
    }


def run(name: str, part: str, folder: str, rows: int) -> dict[str, float]:
    """One part in a process of its own; returns what it measured."""
    command = [sys.executable, "-m", "tests.benchmarks.part", name, part, folder, str(rows)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def show(results: list[dict[str, object]]) -> None:
    table = Table(title="Times the floor", box=None, pad_edge=False)
    for heading in ("step", "rows", "rows/s", "real s", "floor s", "ratio", "aim", "peak MiB", "floor MiB"):
        table.add_column(heading, justify="left" if heading == "step" else "right")
    for result in results:
        mark = "" if float(str(result["ratio"])) <= float(str(result["aim"])) else " !"
        is_slow = result["max_seconds"] is not None and float(str(result["real_seconds"])) > float(
            str(result["max_seconds"])
        )
        table.add_row(
            str(result["name"]),
            f"{int(str(result['rows'])) / 1e6:g} M",
            f"{int(str(result['rows_per_second'])) / 1000:,.0f} k",
            f"{result['real_seconds']:.2f}{' !' if is_slow else ''}",
            f"{result['floor_seconds']:.2f}",
            f"{result['ratio']:.3g}{mark}",
            f"≤ {result['aim']}",
            f"{result['peak_mib']:,.0f}",
            f"{result['floor_peak_mib']:,.0f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()

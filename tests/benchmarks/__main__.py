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

from rich.console import Console
from rich.table import Table

# module, rows, aim (times the floor), runs
BENCHMARKS = (
    ("plan", 1_000_000, 3.0, 5),
    ("submit", 200_000, 1.15, 5),
    ("load", 1_000_000, 2.5, 3),
    ("reconcile", 1_000_000, 2.5, 3),
    ("reconcile", 10_000_000, 2.5, 3),
    ("receive", 20_000, 2.5, 3),
)


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    arguments.add_argument("names", nargs="*", help="plan, submit, load, reconcile, receive; default: all")
    arguments.add_argument("--json", action="store_true", help="the figures as JSON")
    chosen = arguments.parse_args()
    results = [
        compare(name, rows, aim, runs)
        for name, rows, aim, runs in BENCHMARKS
        if not chosen.names or name in chosen.names
    ]
    if chosen.json:
        print(json.dumps(results, indent=2))
    else:
        show(results)


def compare(name: str, rows: int, aim: float, runs: int) -> dict[str, object]:
    """Run the two parts of one benchmark in turns."""
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
        "ratio": round(real / floor, 2),
        "aim": aim,
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
        table.add_row(
            str(result["name"]),
            f"{int(str(result['rows'])) / 1e6:g} M",
            f"{int(str(result['rows_per_second'])) / 1000:,.0f} k",
            f"{result['real_seconds']:.2f}",
            f"{result['floor_seconds']:.2f}",
            f"{result['ratio']:.2f}{mark}",
            f"≤ {result['aim']}",
            f"{result['peak_mib']:,.0f}",
            f"{result['floor_peak_mib']:,.0f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()

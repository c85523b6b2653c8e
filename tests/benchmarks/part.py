"""Runs one part of one benchmark and writes what it measured, as JSON: the other end of `__main__.run`."""

import importlib
import json
import os
import resource
import sys
from pathlib import Path


def main() -> None:
    name, part, folder, rows = sys.argv[1:]
    measured = run_part(name, part, Path(folder), int(rows))
    os.sync()  # so that no other part waits for what this one wrote
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": measured, "peak_mib": round(peak)}))


def run_part(name: str, part: str, folder: Path, rows: int) -> float:
    """Seconds that the part measured; 0 for one that makes what another needs, and for one that the benchmark lacks."""
    folder.mkdir(exist_ok=True)
    run = getattr(importlib.import_module(f"tests.benchmarks.{name}"), part, None)
    return float((run(folder, rows) if run else None) or 0.0)


if __name__ == "__main__":
    main()

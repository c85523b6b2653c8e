"""Runs one part of one benchmark and writes what it measured, as JSON: the other end of `__main__.run`."""

import importlib
import json
import resource
import sys
from pathlib import Path


def main() -> None:
    name, part, folder, rows = sys.argv[1:]
    module = importlib.import_module(f"tests.benchmarks.{name}")
    seconds = getattr(module, part)(Path(folder), int(rows))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds or 0.0, "peak_mib": round(peak)}))


if __name__ == "__main__":
    main()

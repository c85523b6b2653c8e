"""Lets eight processes work on one data folder: `make contention SECONDS=600`. Exit code 1 if anything is wrong."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.contention.eight import trial


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.contention", description=__doc__)
    arguments.add_argument("--seconds", type=float, default=600)
    with tempfile.TemporaryDirectory() as folder:
        record = trial(Path(folder), seconds=arguments.parse_args().seconds)
    for who, codes in sorted(record.codes.items()):
        ends = ", ".join(f"{number} times with {code}" for code, number in sorted(codes.items()))
        sys.stdout.write(f"{who:10}  {ends}\n")
    for complaint in record.complaints:
        sys.stdout.write(f"wrong: {complaint}\n")
    return int(bool(record.complaints))


sys.exit(main())

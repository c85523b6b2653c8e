"""The command `status` with nothing new on a long history, against the same on a tenth of it; 50 campaigns each.

The whole process is measured, its imports too. The first two of a history, which are not, bring the books to today and
to the settings of the command.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.history import CAMPAIGNS, history


def prepare(folder: Path, rows: int) -> None:
    for name, size in (("long", rows), ("short", rows // 10)):
        history(folder, campaigns=CAMPAIGNS, size=size // CAMPAIGNS).copied_to(folder / name)
        for _ in range(2):
            _status(folder / name)


def real(folder: Path, _: int) -> float:
    return _status(folder / "long")


def floor(folder: Path, _: int) -> float:
    return _status(folder / "short")


def _status(data_folder: Path) -> float:
    """Seconds of a process that shows the books of all campaigns."""
    command = [Path(sys.executable).with_name("smsrecon"), "status", "--json"]
    environment = os.environ | {"SMSRECON_DATA_DIR": str(data_folder)}
    started = time.perf_counter()
    done = subprocess.run(command, cwd=data_folder, env=environment, stdout=subprocess.PIPE, check=True)
    seconds = time.perf_counter() - started
    if len(json.loads(done.stdout)["campaigns"]) != CAMPAIGNS:
        raise SystemExit("the command shows other campaigns than there are")
    return seconds

"""Failpoints: places in the code where a test can have the process killed, to prove that any death is survived.

SMSRECON_FAILPOINT names one: `journal.after_sending`, or `journal.after_sending:3` for the third time it is reached.
There the process kills itself, as a power cut would: nothing more is written, closed or handled. This is the only
variable that settings.py doesn't read, since it is not a setting: no file may leave it on, modules below the settings
have failpoints too, and `doctor` lists it as an unknown variable. It is read once, at import. A failpoint that isn't
named costs some 40 ns; failpoints stand where data becomes durable or leaves, never in a loop over rows.
"""

import os
import signal
from typing import Final, Literal, get_args

Point = Literal[
    "file.before_write",
    "file.before_sync",
    "file.before_rename",
    "file.after_rename",
    "file.after_sync",
    "landing.before_call",
    "landing.before_unmark",
    "landing.half_settled",
    "segments.before_write",
    "segments.before_sync",
    "segments.after_sync",
    "segments.before_seal",
    "segments.after_seal",
    "plan.before_sync",
    "plan.before_register",
    "plan.after_register",
    "sharing.before_put",
    "sharing.after_put",
    "high_water.before_write",
    "high_water.before_sync",
    "journal.before_sending",
    "journal.after_sending",
    "journal.before_outcome",
    "journal.after_outcome",
    "journal.before_pause",
    "journal.after_pause",
    "journal.before_commit",
    "journal.after_commit",
    "gateway.before_request",
    "gateway.answer_begun",
    "gateway.answer_read",
    "warehouse.after_attach",
    "warehouse.after_migration",
    "load.between_tables",
    "reconcile.between_tables",
    "warehouse.before_commit",
    "warehouse.after_commit",
    "warehouse.after_close",
    "warehouse.half_deleted",
    "publish.between_files",
    "publish.after_parquet",
    "publish.after_database",
    "publish.before_rename",
    "publish.after_rename",
    "purge.before_marks",
    "purge.between_marks",
    "purge.between_files",
    "purge.before_rebuild",
    "purge.before_end",
]
POINTS: Final[tuple[Point, ...]] = get_args(Point)


_name, _, _times = os.environ.get("SMSRECON_FAILPOINT", "").partition(":")
_times_left = int(_times) if _times.isdecimal() else 1


def problem() -> str | None:
    """Why SMSRECON_FAILPOINT would never kill: it names no failpoint, or no number of times."""
    if _name and _name not in POINTS:
        return f"there is no failpoint {_name}"
    return f"{_times} is no number of times" if _times and not _times.isdecimal() else None


def reach(point: Point) -> None:
    """Kill the process if SMSRECON_FAILPOINT names this failpoint and this time."""
    if point == _name:
        _count_down()


def _count_down() -> None:
    global _times_left  # noqa: PLW0603  one process, one death
    _times_left -= 1
    if _times_left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)

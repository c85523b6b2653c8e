"""Files that commands write are readable by their owner only, under every umask; `published` is readable by all."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.settings import WarehouseSettings
from pipelines.warehouse.database import Warehouse
from tests.support.depth import cases
from tests.support.places import CONTENT, Place

PRIVATE = {"d": 0o700, "f": 0o600}
FOR_ALL = {"d": 0o755, "f": 0o644}

# The commands of a day, each killed at a failpoint before it is run again, so that drafts, write-ahead logs, marks and
# half a version are left behind.
SUBMIT = f"submit people.parquet --campaign c --content {CONTENT}"
DAY = [
    ("init", []),
    (SUBMIT, ["plan.before_sync", "journal.after_sending"]),
    ("suppress add 13800000009", ["file.before_rename"]),
    ("import-reports export.csv --yes", ["warehouse.before_commit"]),
    ("pull", ["landing.before_call"]),
    ("daily", ["publish.after_database", "publish.before_rename"]),
    ("publish", []),
    ("balance", []),
]
OF_A_DAY = (".draft-", "warehouse.duckdb.wal", "journal.sqlite-wal", "/lock", "sent_alerts.json", "smsrecon.toml")


def modes(folder: Path) -> dict[str, tuple[str, int]]:
    """The kind and the mode of every path in a folder; links have no mode of their own."""
    return {
        path.relative_to(folder).as_posix(): ("d" if path.is_dir() else "f", stat.S_IMODE(path.stat().st_mode))
        for path in [folder, *folder.rglob("*")]
        if not path.is_symlink()
    }


@contextmanager
def umask_of(umask: int) -> Iterator[None]:
    before = os.umask(umask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("umask", cases(fast=[0o000], deep=[0o000, 0o022]), ids="{:03o}".format)
def test_files_of_a_day_are_the_owners_alone_except_published_ones(umask: int, sending: Place) -> None:
    (sending.folder / "export.csv").write_text("phone,code,stat_time\n13800000001,DELIVRD,2026-11-20 08:00:00\n")
    given = {".", *(path.name for path in sending.folder.iterdir())}
    seen: dict[str, tuple[str, int]] = {}
    low = {"SMSRECON_ALERTS__MIN_BALANCE": "1000000000"}
    for command, points in DAY:
        for point in points:
            sending.die(command, point, umask=umask, **low)
            seen |= modes(sending.folder)
        with umask_of(umask):
            end = sending.run(command, **low)
        assert end.code in (0, 13, 14, 16), (command, end.err)
        seen |= modes(sending.folder)

    for_all = {name for name in seen if "data/.published" in name}
    wrong = {
        name: f"{mode:03o}"
        for name, (kind, mode) in seen.items()
        if name not in given and mode != (FOR_ALL if name in for_all else PRIVATE)[kind]
    }
    assert not wrong
    assert [part for part in OF_A_DAY if not any(part in name for name in seen)] == []
    assert {name.split("/")[-1] for name in for_all} >= {"analytics.duckdb", "part-00001.parquet", "replies.parquet"}


def test_files_that_duckdb_spills_are_the_owners_alone(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb", WarehouseSettings())
    with warehouse.write():
        pass
    shutil.rmtree(tmp_path / "warehouse.duckdb.tmp")

    with warehouse.read() as connection:
        folder = Path(str(connection.sql("SELECT current_setting('temp_directory')").fetchall()[0][0]))
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700

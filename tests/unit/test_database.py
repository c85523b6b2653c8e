"""The database file is opened for one transaction, waited for while busy, and migrated."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipelines.contracts import columns_of
from pipelines.contracts.core import Reports
from pipelines.errors import BooksError, UsageError, WarehouseBusy
from pipelines.settings import WarehouseSettings
from pipelines.sql_files import SQL_FOLDER, statement
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.reconcile import reconcile
from tests.support.warehouses import made_by_migrations

HOLD = """
import duckdb, sys, time
connection = duckdb.connect()
connection.execute(f"ATTACH '{sys.argv[1]}' AS held ({sys.argv[2]})")
print("held", flush=True)
time.sleep(float(sys.argv[3]))
"""


LEAVE = """
import duckdb, threading
def hold():
    connection = duckdb.connect()
    connection.sql("SELECT 1").fetchall()
    held.set()
    threading.Event().wait()
held = threading.Event()
threading.Thread(target=hold, daemon=True).start()
held.wait()
"""


@pytest.fixture(autouse=True)
def real_warehouses() -> Iterator[None]:
    with made_by_migrations():
        yield


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    warehouse = Warehouse(tmp_path / "private" / "warehouse.duckdb", WarehouseSettings(busy_timeout_seconds=0.3))
    with warehouse.write():
        pass
    return warehouse


@contextmanager
def held_by_another_process(
    warehouse: Warehouse, options: str = "READ_WRITE", seconds: float = 60
) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", HOLD, str(warehouse.path), options, str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def balance_count(warehouse: Warehouse) -> int:
    with warehouse.read() as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM core.balances").fetchall()
    return int(count)


ADD_BALANCE = "INSERT INTO core.balances VALUES (now(), 1, 'balance/a.call', 1)"


def test_what_was_written_is_seen_by_the_next_connection(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        connection.execute(ADD_BALANCE)
    assert balance_count(warehouse) == 1


def test_a_write_that_raises_leaves_nothing_behind(warehouse: Warehouse) -> None:
    with pytest.raises(duckdb.CatalogException), warehouse.write() as connection:
        connection.execute(f"{ADD_BALANCE}; SELECT no_such_function()")
    assert balance_count(warehouse) == 0


def test_nothing_of_a_session_is_left_for_the_next(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        connection.execute("CREATE TEMP TABLE mine AS SELECT 1 AS x; CREATE TEMP MACRO my_function() AS 1")
        connection.register("frame", pl.DataFrame({"x": [1]}))
        connection.execute("SET disabled_optimizers = 'common_subplan'; SET TimeZone = 'UTC'")
        connection.execute(f"ATTACH '{warehouse.path}.other' AS other")

    with warehouse.read() as connection:
        for query in ("FROM mine", "SELECT my_function()", "FROM frame", "CREATE TABLE other.x (x INTEGER)"):
            with pytest.raises((duckdb.CatalogException, duckdb.BinderException)):
                connection.execute(query)
        now = "SELECT current_setting('disabled_optimizers'), current_setting('TimeZone')"
        assert connection.execute(now).fetchall() == [("", "Asia/Shanghai")]


def test_rows_that_were_spilled_are_gone_after_the_session(tmp_path: Path) -> None:
    settings = WarehouseSettings(memory_limit="30MB", threads=1)
    warehouse, other = (Warehouse(tmp_path / f"{name}.duckdb", settings) for name in "ab")
    with warehouse.write() as connection:
        connection.execute("CREATE TEMP TABLE x AS SELECT random() AS x FROM range(3_000_000) ORDER BY x")
        assert [*(tmp_path / "a.duckdb.tmp").iterdir()]

    assert not [*(tmp_path / "a.duckdb.tmp").iterdir()]
    with other.write():  # which has a folder of its own
        pass


def test_a_reader_cannot_write(warehouse: Warehouse) -> None:
    with pytest.raises(duckdb.InvalidInputException), warehouse.read() as connection:
        connection.execute(ADD_BALANCE)


@pytest.mark.parametrize("options", ["READ_WRITE", "READ_ONLY"])
def test_a_writer_gives_up_naming_the_process_that_has_the_file_open(warehouse: Warehouse, options: str) -> None:
    with held_by_another_process(warehouse, options) as holder:
        with pytest.raises(WarehouseBusy, match=f"process {holder.pid} ") as caught, warehouse.write():
            pass
        assert caught.value.exit_code == 15


def test_a_reader_gives_up_naming_the_process_that_writes(warehouse: Warehouse) -> None:
    with (
        held_by_another_process(warehouse) as holder,
        pytest.raises(WarehouseBusy, match=f"process {holder.pid} "),
        warehouse.read(),
    ):
        pass


def test_readers_share_the_file(warehouse: Warehouse) -> None:
    with held_by_another_process(warehouse, "READ_ONLY"):
        assert balance_count(warehouse) == 0


def test_a_busy_file_is_waited_for(warehouse: Warehouse) -> None:
    patient = Warehouse(warehouse.path, WarehouseSettings(busy_timeout_seconds=20))
    with held_by_another_process(warehouse, seconds=0.3), patient.write() as connection:
        connection.execute(ADD_BALANCE)
    assert balance_count(warehouse) == 1


def test_two_threads_of_one_process_take_turns(warehouse: Warehouse) -> None:
    patient = Warehouse(warehouse.path, WarehouseSettings(busy_timeout_seconds=20))

    def add() -> None:
        with patient.write() as connection:
            connection.execute(ADD_BALANCE)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert balance_count(warehouse) == 4


def test_opening_again_changes_nothing(warehouse: Warehouse) -> None:
    with warehouse.read() as connection:
        migrations = connection.execute("FROM core.migrations").fetchall()
    with warehouse.write() as connection:
        assert connection.execute("FROM core.migrations").fetchall() == migrations
    files = sorted(path.stem for path in SQL_FOLDER.glob("schema/*.sql"))
    assert migrations == [(int(name.partition("_")[0]), name) for name in files]


def test_recipients_that_were_loaded_before_get_their_number_range(warehouse: Warehouse) -> None:
    phones = ["13800000000", "12345678901", "1380000000x", " 1380000000", "١٣٨٠٠٠٠٠٠٠٠", None]
    with warehouse.write() as connection:
        connection.execute("ALTER TABLE core.recipients DROP COLUMN number_range")
        connection.execute("DELETE FROM core.migrations WHERE migration_num = 7")
        connection.execute(
            "INSERT INTO core.recipients BY NAME"
            " SELECT 'spring' AS campaign_id, 0 AS input_row, 'planned' AS disposition, unnest($phones) AS phone,"
            " 1 AS load_num",
            {"phones": phones},
        )
    with warehouse.write() as connection:
        ranges = dict(connection.execute("SELECT phone, number_range FROM core.recipients").fetchall())
    assert ranges == dict.fromkeys(phones) | {"13800000000": 1380000, "12345678901": 1234567}


def test_loaded_tables_carry_the_comments_of_their_contracts(warehouse: Warehouse) -> None:
    query = "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'reports'"
    with warehouse.read() as connection:
        comments = dict(connection.execute(query).fetchall())
    assert comments == {column.name: column.description for column in columns_of(Reports)}


def test_a_wrong_comment_is_corrected_by_the_next_reconcile(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        connection.execute("COMMENT ON COLUMN core.reports.code IS 'wrong'")
    reconcile(warehouse, as_of=datetime(2026, 11, 22, tzinfo=UTC), report_window_hours=72)
    query = "SELECT comment FROM duckdb_columns() WHERE table_name = 'reports' AND column_name = 'code'"
    with warehouse.read() as connection:
        assert connection.execute(query).fetchall() != [("wrong",)]


def test_days_are_in_the_time_zone_of_china(warehouse: Warehouse) -> None:
    with warehouse.read() as connection:
        day = connection.execute("SELECT CAST(CAST(TIMESTAMPTZ '2026-11-21 16:00:00+00' AS DATE) AS TEXT)").fetchone()
    assert day == ("2026-11-22",)


def test_only_the_owner_can_read_the_file(warehouse: Warehouse) -> None:
    assert warehouse.path.stat().st_mode & 0o777 == 0o600
    assert warehouse.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_path_may_hold_quotes_blanks_and_brackets(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "o'brien; [1]*" / "ware house.duckdb", WarehouseSettings())
    with warehouse.write() as connection:
        connection.execute(ADD_BALANCE)
    assert balance_count(warehouse) == 1


def test_settings_reach_duckdb(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "w.duckdb", WarehouseSettings(memory_limit="256MiB", threads=1))
    with warehouse.write() as connection:
        limits = connection.execute("SELECT current_setting('memory_limit'), current_setting('threads')").fetchone()
    assert limits == ("256.0 MiB", 1)


def test_reading_before_the_first_load_names_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="smsrecon load"), Warehouse(tmp_path / "w.duckdb", WarehouseSettings()).read():
        pass


def test_a_warehouse_of_a_newer_version_is_refused(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        connection.execute("INSERT INTO core.migrations VALUES (999, '999_future')")
    for opened in (warehouse.read, warehouse.write):
        with pytest.raises(UsageError, match="newer version"), opened():
            pass


def test_a_warehouse_of_an_older_version_is_not_read(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        connection.execute("DELETE FROM core.migrations")
    with pytest.raises(UsageError, match="older version"), warehouse.read():
        pass


def test_a_damaged_file_is_an_error_of_one_line_and_can_be_deleted(warehouse: Warehouse) -> None:
    warehouse.path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(BooksError, match="smsrecon rebuild") as caught, warehouse.write():
        pass
    assert "\n" not in str(caught.value)
    warehouse.delete()
    assert not warehouse.path.exists()


def test_a_new_file_is_created_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = Warehouse(tmp_path / "warehouse.duckdb", WarehouseSettings())

    def killed(draft: Path, path: Path) -> None:
        assert path == warehouse.path
        assert draft.stat().st_size > 0
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", killed)
        with pytest.raises(KeyboardInterrupt), warehouse.write():
            pass

    assert list(tmp_path.iterdir()) == []
    with warehouse.write():
        pass
    assert warehouse.path.stat().st_mode & 0o777 == 0o600


def test_deleting_twice_is_the_same_as_once(warehouse: Warehouse) -> None:
    warehouse.delete()
    warehouse.delete()
    assert list(warehouse.path.parent.iterdir()) == []


def test_a_file_that_is_being_written_is_not_deleted(warehouse: Warehouse) -> None:
    with held_by_another_process(warehouse), pytest.raises(WarehouseBusy):
        warehouse.delete()
    assert balance_count(warehouse) == 0


def test_every_migration_has_a_number_of_its_own() -> None:
    numbers = [path.name.split("_")[0] for path in SQL_FOLDER.glob("schema/*.sql")]
    assert len(set(numbers)) == len(numbers)


def test_a_process_that_ends_while_a_thread_holds_a_connection_prints_nothing() -> None:
    ended = subprocess.run([sys.executable, "-c", LEAVE], capture_output=True, text=True, check=True)

    assert (ended.stdout, ended.stderr) == ("", "")  # 2.0.0 printed thirty lines about leaks


def test_statements_are_read_by_name() -> None:
    assert "MERGE INTO core.reports" in statement("load/merge_reports")

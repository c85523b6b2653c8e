"""An audit finds and names each row that is not as computed; it changes nothing and tells nothing personal."""

import fcntl
import hashlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from pipelines.contracts import compared_columns, is_compared, kind_of, table_of
from pipelines.contracts.core import CORE
from pipelines.contracts.marts import MARTS
from pipelines.contracts.reconciled import RECONCILED
from pipelines.errors import UsageError
from pipelines.failpoints import POINTS
from pipelines.landing.landing import Landing
from pipelines.landing.scratch import check_space
from pipelines.landing.segments.frames import frame_bytes
from pipelines.landing.segments.writer import OPEN, SegmentWriter
from tests.support.depth import cases
from tests.support.places import Closed, Ended, Place, ended

COMPUTED = [table_of(contract) for contract in (*RECONCILED, *MARTS) if kind_of(contract) != "view"]
TIMES = {"publish.between_files": (1, 2, 9, 16)}
VIEWS = [table_of(contract) for contract in RECONCILED if kind_of(contract) == "view"]
LOADED = [table_of(contract) for contract in CORE if is_compared(contract)]
COLUMNS = {table_of(contract): compared_columns(contract) for contract in (*CORE, *RECONCILED, *MARTS)}
CONFIG = "--config demo/smsrecon.toml"
TEXTS = ("云鋒網絡", "退订")


@pytest.fixture(scope="module")
def made(closed: Closed, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The demo with opt-outs, rejects, a pushed segment and a list, its books closed and published."""
    folder = tmp_path_factory.mktemp("audited") / "place"
    shutil.copytree(closed.place.folder / "demo", folder / "demo", symlinks=True)
    place = Place(folder, closed.place.variables)
    phone = sorted(closed.phones)[0]
    (folder / "said.csv").write_text(
        f"手机号,回复内容,回复时间\n{phone},TD,2026-11-20 09:00:00\n{phone},{TEXTS[1]},x\n", encoding="utf-8"
    )
    pushes = Landing(folder / "demo/data/landing").pushes
    for days in (3, 2):  # of days that are over, so that they are packed
        at = datetime.now(UTC) - timedelta(days=days)
        pushes.new_path(at).write_bytes(frame_bytes(head(at), b"<x>" if days == 3 else b"{}"))
    for command in (
        "import-reports said.csv --replies --yes",
        f"suppress add {sorted(closed.phones)[1]}",
        "load",
        "reconcile",
        "publish",
    ):
        assert place.run(f"{CONFIG} {command}").code == 0, command
    assert list(pushes.root.glob("*.zip"))
    return place


@pytest.fixture
def place(made: Place, tmp_path: Path) -> Place:
    """A copy of it."""
    shutil.copytree(made.folder, tmp_path / "place", symlinks=True)
    return Place(tmp_path / "place", made.variables)


@contextmanager
def receiving(place: Place) -> Iterator[None]:
    """A segment that is open, with a push in it, as while `receive` runs."""
    folder = Landing(place.folder / "demo/data/landing").pushes
    writer = SegmentWriter(
        lambda: folder.new_path(datetime.now(UTC)), max_bytes=10**6, max_seconds=900, max_waiting_bytes=10**6
    )
    writer.append(head(datetime.now(UTC)), b"{}").result()
    yield
    writer.close()


def head(at: datetime) -> dict[str, str]:
    return {"received_at": at.isoformat(), "peer": "127.0.0.1"}


def audit(place: Place, options: str = "") -> Ended:
    return place.run(f"{CONFIG} audit {options}")


def changed(place: Place, *statements: str) -> None:
    """Change the warehouse by hand."""
    with duckdb.connect(place.folder / "demo/data/warehouse.duckdb") as connection:
        connection.execute("SET TimeZone = 'Asia/Shanghai'")
        for statement in statements:
            connection.execute(statement)


def row_counts(place: Place, tables: list[str]) -> dict[str, int]:
    with duckdb.connect(place.folder / "demo/data/warehouse.duckdb", read_only=True) as connection:
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0] for table in tables}


def named(found: Ended) -> dict[str, tuple[int, int]]:
    """The tables that differ, with the numbers of rows that only one side has."""
    return {each["table"]: (each["only_kept_count"], each["only_fresh_count"]) for each in found.object["differences"]}


def state_of(folder: Path) -> dict[str, str]:
    """The files of a folder with their contents and times, but those that SQLite shares between processes."""
    return {
        str(path.relative_to(folder)): f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_mtime_ns}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith("journal.sqlite-")
    }


# What is right


@pytest.mark.parametrize("options", ["", "--from-landing"])
def test_books_that_are_right_are_equal_and_nothing_is_changed(place: Place, options: str) -> None:
    data = place.folder / "demo/data"
    with receiving(place):
        before = state_of(data)

        found = audit(place, options)

        assert (found.code, found.err) == (0, "")
        assert "tables that differ  0" in found.out
        assert state_of(data) == before
    assert not (data / ".audit").exists()


def test_an_audit_uses_the_instant_of_the_last_reconcile_and_of_what_is_published(place: Place) -> None:
    assert place.run(f"{CONFIG} reconcile").code == 0  # later than what is published was

    found = audit(place, "--json")

    assert (found.code, found.object["differences"], found.object["notes"]) == (0, [], [])


def test_settings_that_were_changed_are_noted_and_those_of_the_reconcile_used(place: Place) -> None:
    found = place.run(f"{CONFIG} audit --json", SMSRECON_POLICY__REPORT_WINDOW_HOURS="1")

    assert (found.code, found.object["differences"]) == (0, [])
    assert found.object["notes"] == ["the settings were changed since the last reconcile; its own were used"]


# Rows changed by hand


def changes(table: str, column: str) -> dict[str, str]:
    """A statement for each way to change one row of a table."""
    kind = next(each.duckdb_type for each in COLUMNS[table] if each.name == column)
    value = {
        "VARCHAR": f"coalesce({column}, '') || 'x'",
        "JSON": "'{\"x\": 1}'",
        "BOOLEAN": f"NOT {column}",
        "DATE": f"{column} + 1",
        "TIMESTAMP WITH TIME ZONE": f"{column} + INTERVAL 1 MICROSECOND",
    }.get(kind, f"{column} + 1")
    one = f"(SELECT min(rowid) FROM {table})"
    return {
        "update": f"UPDATE {table} SET {column} = {value} WHERE rowid = {one}",
        "delete": f"DELETE FROM {table} WHERE rowid = {one}",
        "insert": f"INSERT INTO {table} SELECT * FROM {table} WHERE rowid = {one}",
    }


WAYS = {"update": (1, 1), "delete": (0, 1), "insert": (1, 0)}
AS_PAGE_TOO = cases(fast={"update"}, deep={*WAYS})


@pytest.mark.parametrize("way", WAYS)
def test_a_row_changed_by_hand_in_any_computed_table_is_found_and_named(place: Place, closed: Closed, way: str) -> None:
    counts = row_counts(place, COMPUTED)
    filled = [table for table in COMPUTED if counts[table]]
    empty = [table for table in COMPUTED if not counts[table]]
    changed(place, *(changes(table, COLUMNS[table][-1].name)[way] for table in filled))
    if way == "insert":
        changed(place, *(f"INSERT INTO {table} ({COLUMNS[table][0].name}) VALUES (NULL)" for table in empty))

    found = audit(place, "--json")

    assert found.code == 14
    expected = dict.fromkeys([*filled, *(empty if way == "insert" else ())], WAYS[way])
    with_views = {name: counts for name, counts in named(found).items() if name not in VIEWS}
    assert with_views == expected
    assert found.err.count("\n") == 1
    assert "run 'smsrecon rebuild', then 'smsrecon publish'" in found.err
    assert all(table in found.err for table in expected)
    for text in (*closed.phones, *TEXTS):
        assert text not in found.out + found.err
    if way in AS_PAGE_TOO:
        page = audit(place)
        assert page.code == 14
        for text in (*closed.phones, *TEXTS):
            assert text not in page.out + page.err
        assert all(len(line) <= 80 for line in page.out.splitlines())


def test_most_tables_of_the_demo_have_rows_to_change(made: Place) -> None:
    counts = row_counts(made, COMPUTED)

    assert {table for table, count in counts.items() if not count} <= {
        "core.repeated_replies",
        "marts.balance_reconciliation",
        "marts.batches_in_doubt",
    }


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_that_selects_other_rows_is_found(place: Place, view: str) -> None:
    changed(place, f"CREATE OR REPLACE VIEW {view} AS FROM core.report_lookups LIMIT 0")

    assert view in named(audit(place, "--json"))


def test_a_table_that_is_gone_or_has_other_columns_is_found(place: Place) -> None:
    changed(place, "DROP TABLE marts.exceptions", "ALTER TABLE core.message_status DROP COLUMN code")

    found = audit(place, "--json")

    assert found.code == 14
    problems = {each["table"]: each["problem"] for each in found.object["differences"]}
    assert problems == dict.fromkeys(
        ("marts.exceptions", "core.message_status"), "it is missing, or its columns are others"
    )


def test_a_changed_row_is_named_with_its_key_and_the_columns_that_changed(place: Place) -> None:
    changed(place, "UPDATE core.message_status SET status = 'failed', code = 'x' WHERE input_row = 41")

    (difference,) = audit(place, "--json").object["differences"]

    assert difference["first_rows"] == [
        {
            "side": "both",
            "key": {"campaign_id": "autumn-sale", "input_row": 41},
            "changed_columns": ["status", "code"],
        }
    ]
    assert "changed: campaign_id=autumn-sale input_row=41 (status, code)" in " ".join(audit(place).out.split())


# Loaded tables


@pytest.mark.parametrize("way", cases(fast=["update"], deep=WAYS))
def test_a_row_changed_by_hand_in_a_loaded_table_is_found_from_the_landing(place: Place, way: str) -> None:
    counts = row_counts(place, LOADED)
    tables = [table for table in LOADED if counts[table] and (table != "core.files" or way == "update")]
    columns = {"core.files": "accepted_count", "core.suppressions": "reason"}
    changed(place, *(changes(table, columns.get(table, COLUMNS[table][-1].name))[way] for table in tables))

    found = audit(place, "--from-landing --json")

    assert found.code == 14
    assert {name: numbers for name, numbers in named(found).items() if name in LOADED} == dict.fromkeys(
        tables, WAYS[way]
    )
    assert len(tables) >= 9


def test_a_loaded_row_is_taken_as_it_is_without_the_landing(place: Place) -> None:
    changed(place, "DELETE FROM core.reports WHERE rowid % 2 = 0")

    found = audit(place, "--json")

    assert found.code == 14
    assert "core.message_status" in named(found)
    assert not {*named(found)} & {*LOADED}


def test_what_landed_since_is_left_out(place: Place, closed: Closed) -> None:
    pl.DataFrame({"phone": ["13800000001", "13900000002"]}).write_parquet(place.folder / "people.parquet")
    assert place.run(f"{CONFIG} submit people.parquet --campaign later --content 【公司】您好").code == 0
    assert place.run(f"{CONFIG} pull --days 1").code == 0
    assert place.run(f"{CONFIG} suppress add {sorted(closed.phones)[2]}").code == 0
    with receiving(place):
        found = audit(place, "--from-landing --json")
        assert list((place.folder / "demo/data/landing/pushes").glob(f"*/*{OPEN}"))

    assert (found.code, found.object["differences"]) == (0, [])


def test_a_file_that_is_gone_from_the_landing_is_found(place: Place) -> None:
    next(iter((place.folder / "demo/data/landing/imports").glob("*/*"))).unlink()

    found = audit(place, "--from-landing --json")

    assert found.code == 14
    assert named(found)["core.files"] == (1, 0)
    assert named(found)["core.replies"] == (1, 0)


def test_a_journal_that_is_older_is_refused_as_in_every_command(place: Place) -> None:
    (place.folder / "demo/data/landing/journal.sqlite").unlink()

    audit(place, "--from-landing").fails(14, "journal repair")


# What is published


def published(place: Place) -> Path:
    return (place.folder / "demo/data/published").resolve()


def rewritten(path: Path, change: str) -> None:
    """Rewrite a published file with other rows."""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE rows AS FROM read_parquet('{path}', hive_partitioning = FALSE)")
        connection.execute(change)
        connection.execute(f"COPY rows TO '{path}' (FORMAT parquet)")


def part_of(place: Place) -> Path:
    return next(iter(sorted(published(place).glob("messages/**/*.parquet"))))


SPOILT: dict[str, tuple[Callable[[Place], Any], str, tuple[int, int]]] = {
    "a value of a message": (
        lambda place: rewritten(part_of(place), "UPDATE rows SET code = 'x' WHERE input_row = 41"),
        "published/messages",
        (1, 1),
    ),
    "a phone hash": (
        lambda place: rewritten(part_of(place), "UPDATE rows SET phone_hash = 'x' WHERE input_row = 41"),
        "published/messages",
        (1, 1),
    ),
    "a message twice": (
        lambda place: rewritten(part_of(place), "INSERT INTO rows FROM rows WHERE input_row = 41"),
        "published/messages",
        (1, 0),
    ),
    "a part too many": (
        lambda place: shutil.copy(part_of(place), part_of(place).with_name("other.parquet")),
        "published/messages",
        (2000, 0),
    ),
    "a missing part": (lambda place: part_of(place).unlink(), "published/messages", (0, 0)),
    "a damaged part": (lambda place: os.truncate(part_of(place), 999), "published/messages", (0, 0)),
    "a reply": (
        lambda place: rewritten(published(place) / "replies/replies.parquet", "UPDATE rows SET is_opt_out = NULL"
                                " WHERE rowid = 0"),
        "published/replies",
        (1, 1),
    ),
    "a mart as Parquet": (
        lambda place: rewritten(published(place) / "marts/exceptions.parquet", "DELETE FROM rows WHERE rowid = 0"),
        "published/marts/exceptions",
        (0, 1),
    ),
    "no database": (lambda place: (published(place) / "analytics.duckdb").unlink(), "analytics.duckdb", (0, 0)),
    "no database in the file": (
        lambda place: (published(place) / "analytics.duckdb").write_bytes(b"x" * 9999),
        "analytics.duckdb",
        (0, 0),
    ),
}  # fmt: skip


# In the fast lane those of different tables happen at once.
AT_ONCE = (
    ("a value of a message", "a reply", "a mart as Parquet", "no database"),
    ("a phone hash", "no database in the file"),
    *((what,) for what in ("a message twice", "a part too many", "a missing part", "a damaged part")),
)


def test_everything_that_can_be_spoilt_is_spoilt_in_the_fast_lane_too() -> None:
    assert sorted(what for each in AT_ONCE for what in each) == sorted(SPOILT)


@pytest.mark.parametrize("spoilt", cases(fast=AT_ONCE, deep=[(what,) for what in SPOILT]), ids=", ".join)
def test_what_was_changed_in_the_published_files_is_found_and_named(place: Place, spoilt: tuple[str, ...]) -> None:
    for what in spoilt:
        spoil, _, _ = SPOILT[what]
        spoil(place)

    found = audit(place, "--json")

    assert found.code == 14
    assert named(found) == {table: numbers for _, table, numbers in map(SPOILT.__getitem__, spoilt)}
    assert found.err.count("\n") == 1
    assert "run 'smsrecon publish'" in found.err


def test_a_mart_changed_in_the_published_database_is_found(place: Place) -> None:
    with duckdb.connect(published(place) / "analytics.duckdb") as connection:
        for contract in MARTS:
            connection.execute(f"INSERT INTO {table_of(contract)} ({compared_columns(contract)[0].name}) VALUES (NULL)")

    found = audit(place, "--json")

    assert found.code == 14
    assert named(found) == {f"analytics.duckdb {table_of(contract)}": (1, 0) for contract in MARTS}


def shared_part(place: Place) -> Path:
    """The part of the newest version, which is also that of the version before."""
    changed(place, "UPDATE core.computed SET computed_id = 'of news in a table without campaigns'")
    done = place.run(f"{CONFIG} publish --json")
    assert (done.code, done.object["is_new"]) == (0, True)
    part = part_of(place)
    assert part.stat().st_nlink > 1
    return part


KILLED_AT = cases(
    fast=["publish.between_files:5", "publish.after_rename"],
    deep=[f"{point}:{times}" for point in POINTS if point.startswith("publish.") for times in TIMES.get(point, (1,))],
)


@pytest.mark.parametrize("point", KILLED_AT)
def test_a_publish_killed_while_it_shares_files_leaves_a_whole_version_and_the_next_is_right(
    place: Place, point: str
) -> None:
    shared_part(place)
    before, files = published(place), state_of(published(place))
    changed(place, "UPDATE core.computed SET computed_id = 'of other news'")

    place.die(f"{CONFIG} publish", failpoint=point)

    assert (published(place) == before) == ("after_rename" not in point)
    assert state_of(before) == files
    assert audit(place, "--json").object["differences"] == []
    assert place.run(f"{CONFIG} publish").code == 0
    assert audit(place, "--json").object["differences"] == []
    assert len([*before.parent.iterdir()]) == 2


def test_a_row_changed_in_a_part_that_versions_share_is_found_and_written_again_by_a_publish(place: Place) -> None:
    rewritten(shared_part(place), "UPDATE rows SET code = 'x' WHERE input_row = 41")

    assert named(audit(place, "--json")) == {"published/messages": (1, 1)}
    assert place.run(f"{CONFIG} publish --json").object["is_new"] is True
    assert audit(place, "--json").object["differences"] == []


def test_a_part_that_decayed_without_a_trace_is_found_and_written_again_without_the_note(place: Place) -> None:
    part = shared_part(place)
    content, stat = part.read_bytes(), part.stat()
    middle = len(content) // 2
    part.write_bytes(content[:middle] + bytes(999) + content[middle + 999 :])
    os.utime(part, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    found = audit(place, "--json")

    assert (found.code, [*named(found)]) == (14, ["published/messages"])
    note = place.folder / "demo/data/published/version.json"
    assert "demo/data/published/version.json, so that every file is written again" in found.err
    assert place.run(f"{CONFIG} publish --json").object["is_new"] is False
    note.unlink()
    assert (
        place.run(f"{CONFIG} publish --json").object["written_file_count"]
        == len([path for path in published(place).rglob("*") if path.is_file()]) - 1
    )
    assert audit(place, "--json").object["differences"] == []


def test_a_publish_without_news_says_so_and_its_older_version_is_compared(place: Place) -> None:
    assert place.run(f"{CONFIG} publish").code == 0  # the views of a copy read another folder
    before = published(place)
    changed(
        place,
        "INSERT INTO core.files SELECT r.* REPLACE ('pushes/empty.zip' AS source_file) FROM core.files AS r LIMIT 1",
        "UPDATE core.computed SET file_count = file_count + 1, as_of_at = as_of_at + INTERVAL 1 SECOND",
    )

    told, found = place.run(f"{CONFIG} publish"), place.run(f"{CONFIG} publish --json")

    assert told.code == found.code == 0
    assert "nothing is new since the last publish, and no file was written" in " ".join(told.out.split())
    assert (found.object["is_new"], found.object["written_file_count"]) == (False, 0)
    assert published(place) == before
    compared = audit(place, "--json")
    assert (compared.code, compared.object["differences"]) == (0, [])
    rewritten(part_of(place), "UPDATE rows SET code = 'x' WHERE input_row = 41")
    assert named(audit(place, "--json")) == {"published/messages": (1, 1)}


def test_a_rebuilt_warehouse_shares_no_part(place: Place) -> None:
    part = part_of(place)
    with part.open("rb"):  # so that its inode is not used again
        assert place.run(f"{CONFIG} rebuild").code == 0
        assert place.run(f"{CONFIG} publish").code == 0
        assert part_of(place) != part
        assert part_of(place).stat().st_ino != part.stat().st_ino


def test_what_is_published_is_not_compared_where_it_can_not_be_and_says_so(place: Place) -> None:
    def says(*words: str, **variables: str) -> None:
        found = place.run(f"{CONFIG} audit --json", **variables)
        assert (found.code, found.object["differences"], found.err.count("\n")) == (14, [], 1)
        assert all(word in found.err for word in (*words, "run 'smsrecon publish'")), found.err

    says("policy.phone_hash", SMSRECON_POLICY__PHONE_HASH="campaign")
    assert place.run(f"{CONFIG} reconcile", SMSRECON_POLICY__HARD_FAILURES="9").code == 0
    says("older than the last reconcile")
    (published(place) / "version.json").unlink()
    says("version.json")
    key = place.folder / "demo/data/landing/phone_hash.key"
    key.unlink()
    says("phone_hash.key")
    assert not key.exists()
    (place.folder / "demo/data/published").unlink()
    found = audit(place, "--json")
    assert (found.code, found.object["notes"][-1]) == (0, "nothing is published yet")


# Before an audit


def test_without_a_warehouse_or_a_reconcile_the_next_step_is_named(place: Place, tmp_path: Path) -> None:
    nothing = Place(tmp_path / "nothing")
    nothing.folder.mkdir()
    nothing.run("audit").fails(2, "smsrecon load")
    assert not nothing.files()

    changed(place, "DELETE FROM core.computed")
    audit(place).fails(2, "run 'smsrecon reconcile', then 'smsrecon audit' again")


def test_news_since_the_last_reconcile_ask_for_one(place: Place, closed: Closed) -> None:
    again = "run 'smsrecon reconcile', then 'smsrecon audit' again"
    assert place.run(f"{CONFIG} suppress add {sorted(closed.phones)[3]}").code == 0
    assert audit(place).code == 0  # it landed, and was not loaded
    assert place.run(f"{CONFIG} load").code == 0
    audit(place).fails(14, "more was loaded", again)
    assert place.run(f"{CONFIG} reconcile").code == 0
    changed(place, "UPDATE core.computed SET fingerprint = 'of another version'")
    audit(place).fails(14, "the statements or the reference tables", again)


# The scratch folder


def left_over(place: Place) -> Path:
    """The scratch folder of an audit that was killed while it computed."""
    place.die(f"{CONFIG} audit", failpoint="reconcile.between_tables:5")
    scratch = place.folder / "demo/data/.audit"
    assert (scratch / "kept.duckdb").exists()
    assert scratch.stat().st_mode & 0o077 == 0
    return scratch


def test_what_a_killed_audit_leaves_is_removed_by_the_next(place: Place) -> None:
    scratch = left_over(place)
    (scratch / "odd").write_text("x")

    assert audit(place).code == 0
    assert not scratch.exists()


def test_what_a_killed_audit_leaves_is_removed_by_an_erasure_and_by_a_purge(place: Place, closed: Closed) -> None:
    for command in (f"forget {sorted(closed.phones)[0]} --yes", "purge --older-than 1 --yes"):
        scratch = left_over(place)
        assert place.run(f"{CONFIG} {command}").code == 0
        assert not scratch.exists()


def test_one_audit_runs_at_a_time(place: Place, closed: Closed) -> None:
    scratch = place.folder / "demo/data/.audit"
    scratch.mkdir(mode=0o700)
    descriptor = os.open(scratch, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)

    audit(place).fails(15, "an audit")
    place.run(f"{CONFIG} forget {sorted(closed.phones)[0]} --yes").fails(15, "an audit")
    os.close(descriptor)

    assert audit(place).code == 0


@pytest.mark.parametrize("number", cases(fast=[signal.SIGINT], deep=[signal.SIGINT, signal.SIGTERM]))
def test_a_stopped_audit_leaves_nothing(place: Place, number: signal.Signals) -> None:
    scratch = place.folder / "demo/data/.audit"
    process = place.start(f"{CONFIG} audit --from-landing")
    give_up_at = time.monotonic() + 60
    while not (scratch / "fresh.duckdb").exists() and time.monotonic() < give_up_at:
        time.sleep(0.005)
    process.send_signal(number)

    stopped = ended(process)

    assert stopped.code == 130, stopped.err
    assert not scratch.exists()


def test_too_little_space_is_said_before_anything_is_copied(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="MB of free space, and an audit needs about 1,099,511,627,776 MB"):
        check_space(tmp_path, 2**60)
    check_space(tmp_path, 1)

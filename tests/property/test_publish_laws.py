"""However its files are shared, a version is what a publish from nothing gives; only files with news are written."""

import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.contracts import table_of
from pipelines.contracts.marts import MARTS
from pipelines.contracts.published import PUBLISHED
from pipelines.settings import PUBLISHED_DATABASE, WarehouseSettings
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.publish import publish
from pipelines.warehouse.reconcile import reconcile
from pipelines.warehouse.version_note import VERSION_NOTE, PhoneHash, VersionNote
from tests.support.depth import cases

PART_ROWS = 8
ROWS = {"a": 3, "b": 5, "c": 20, "d": 0, "e": 8, "f": 1, "g": 4}  # of each campaign, in order of planning
KEYS = ("1" * 64, "2" * 64)

NAMES = st.sampled_from([*ROWS])
STEPS = st.lists(
    st.tuples(st.sampled_from(("add", "add", "touch", "remove")), NAMES)
    | st.tuples(st.sampled_from(("reply", "mart", "nothing", "spoil", "forget the note", "change the key")), st.none()),
    min_size=3,
    max_size=cases(fast=7, deep=12),
)

ADD = """
INSERT INTO core.recipients (campaign_id, input_row, disposition, phone, reason, owner, load_num)
SELECT $campaign_id, i, 'invalid', printf('139%08d', i), 'not a phone', '{"phone": "13812345678"}', 0
FROM range($row_count) AS t (i);
"""
ADD_STATUS = """
INSERT INTO core.message_status BY NAME
SELECT campaign_id, input_row, 'invalid' AS status, 0 AS report_count
FROM core.recipients
WHERE campaign_id = $campaign_id
"""
ADD_MART = """
INSERT INTO marts.campaign_delivery BY NAME
SELECT
    $campaign_id AS campaign_id,
    $row_count AS row_count,
    TIMESTAMPTZ '2026-11-01 00:00:00+08' + to_days($day) AS planned_at
"""
REPLY = """
INSERT INTO core.reply_matches BY NAME
SELECT now() AS replied_at, now() AS received_at, '13812345678' AS phone, '1069' AS access_num, 2 AS character_count,
    FALSE AS is_opt_out
"""


@dataclass
class Books:
    """A warehouse that changes step by step as reconciles change it, and what is published of it."""

    folder: Path
    revisions: dict[str, int] = field(default_factory=dict)
    key: str = KEYS[0]
    are_all_new: bool = False  # nothing can be shared with the version before

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.folder / "warehouse.duckdb", WarehouseSettings())

    @property
    def published(self) -> Path:
        return self.folder / "published"

    def publish(self, published: Path) -> Path:
        return publish(self.warehouse, published, phone_hash=PhoneHash(self.key), part_rows=PART_ROWS).version

    def step(self, kind: str, name: str | None) -> None:
        match kind:
            case "add" | "touch" if name is not None and name in self.revisions:
                self._change(name, "UPDATE core.message_status SET report_count = report_count + 1")
            case "add" if name is not None:
                self._add(name)
            case "remove" if name is not None and name in self.revisions:
                self._remove(name)
            case "reply":
                self._change(None, REPLY)
            case "mart":
                self._change(None, "INSERT INTO marts.submit_errors BY NAME SELECT 'x' AS error_code")
            case "spoil":
                for path in sorted(self.published.glob("messages/*"))[:1]:
                    path.write_bytes(path.read_bytes()[:-1])
                self.are_all_new = True
            case "forget the note":
                (self.published / VERSION_NOTE).unlink(missing_ok=True)
                self.are_all_new = True
            case "change the key":
                self.key = KEYS[1 - KEYS.index(self.key)]
                self.are_all_new = True

    def _change(self, name: str | None, *statements: str, **values: Any) -> None:
        """Run statements, the first on the rows of a campaign, and leave the marks of a reconcile."""
        with self.warehouse.write() as connection:
            for text in statements:
                where = f" WHERE campaign_id = '{name}'" if text.startswith("UPDATE") else ""
                named = {key: value for key, value in values.items() if f"${key}" in text}
                connection.execute(text + where, named)
            connection.execute("UPDATE core.computed SET computed_id = ?", [uuid4().hex])
            if name is not None:
                connection.execute("DELETE FROM core.computed_campaigns WHERE campaign_id = ?", [name])
                connection.execute("INSERT INTO core.computed_campaigns VALUES (?, 0, ?)", [name, uuid4().hex])
                self.revisions[name] = self.revisions.get(name, 0) + 1

    def _add(self, name: str) -> None:
        day = [*ROWS].index(name)
        self._change(name, ADD, ADD_STATUS, ADD_MART, campaign_id=name, row_count=ROWS[name], day=day)

    def _remove(self, name: str) -> None:
        tables = ("core.recipients", "core.message_status", "marts.campaign_delivery", "core.computed_campaigns")
        self._change(None, *(f"DELETE FROM {table} WHERE campaign_id = '{name}'" for table in tables))
        del self.revisions[name]

    def parts(self) -> dict[tuple[Any, ...], int]:
        """The inode of each part, by its campaigns with their revisions, and its number among those with the same."""
        note = VersionNote.read(self.published)
        assert note is not None
        found: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)
        for name, file in note.files.items():
            if name.startswith("messages/"):
                members = tuple((campaign_id, self.revisions[campaign_id]) for campaign_id in file.campaign_ids)
                found[members].append((self.published / name).stat().st_ino)
        return {(*members, number): inode for members, inodes in found.items() for number, inode in enumerate(inodes)}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reconciled warehouse without rows."""
    path = tmp_path_factory.mktemp("empty") / "warehouse.duckdb"
    reconcile(Warehouse(path, WarehouseSettings()), as_of=datetime(2026, 11, 30, tzinfo=UTC), report_window_hours=72)
    return path


@pytest.mark.timeout(1200)  # a version takes a second on a busy machine
@settings(max_examples=cases(fast=2, deep=30))
@given(STEPS)
def test_shared_versions_equal_those_from_nothing_and_only_parts_with_news_are_written(
    empty: Path, steps: list[tuple[str, str | None]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        books = Books(Path(folder))
        shutil.copy(empty, books.folder)
        before: dict[tuple[Any, ...], int] = {}
        for number, step in enumerate([("add", "a"), *steps]):
            books.step(*step)

            version = books.publish(books.published)

            found, expected = rows_of(version), rows_of(books.publish(books.folder / f"fresh-{number}"))
            assert [table for table in expected if found[table] != expected[table]] == [], step
            parts = books.parts()
            if not books.are_all_new:
                assert {key: inode for key, inode in parts.items() if key in before} == {
                    key: before[key] for key in parts if key in before
                }, step
                assert not {inode for key, inode in parts.items() if key not in before} & {*before.values()}, step
            before, books.are_all_new = parts, False


def rows_of(version: Path) -> dict[str, Counter[str]]:
    """The rows of all published tables, and of the marts as Parquet."""
    found: dict[str, Counter[str]] = {}
    with duckdb.connect(version / PUBLISHED_DATABASE, read_only=True) as connection:
        read: Callable[[str], list[Any]] = lambda source: connection.execute(f"FROM {source}").fetchall()  # noqa: E731
        for contract in (*PUBLISHED, *MARTS):
            found[table_of(contract)] = Counter(map(str, read(table_of(contract))))
        for path in version.glob("marts/*"):
            found[f"marts/{path.name}"] = Counter(map(str, read(f"read_parquet('{path}')")))
    return found

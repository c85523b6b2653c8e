"""The analysts' copy holds the right rows, no phones or texts, and never makes a reader wait."""

import json
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from pipelines.contracts import columns_of, comment_of, table_of
from pipelines.contracts.marts import MARTS
from pipelines.contracts.published import PUBLISHED
from pipelines.errors import UsageError
from pipelines.warehouse.computed import last_computed
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.publish import PhoneHash, VersionNote, publish
from pipelines.warehouse.reconcile import reconcile
from tests.sql.cases import ARGUMENTS, filled

MakeWarehouse = Callable[[Path], Warehouse]

_KEY = "0123456789abcdef" * 4
_HASH = PhoneHash(_KEY)
_PHONE = "13812341234"
_OTHER_PHONE = "13900009999"
_TEXT = "【云锋】秋季大促"
_REPLY = "请不要再发了"


@pytest.fixture(scope="module")
def reconciled(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A reconciled campaign with phones and texts in every column that may hold them."""
    folder = tmp_path_factory.mktemp("reconciled")
    made = filled(folder / "warehouse.duckdb", folder)
    with made.write() as connection:
        for statement in _rows():
            connection.execute(statement)
    assert reconcile(made, **ARGUMENTS).is_balanced
    return made


@pytest.fixture
def warehouse(tmp_path: Path, reconciled: Warehouse) -> Warehouse:
    """A copy of the reconciled campaign."""
    return replace(reconciled, path=Path(shutil.copy(reconciled.path, tmp_path)))


@pytest.fixture(scope="module")
def copy(reconciled: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the published copy of the campaign, for tests that only read it."""
    folder = tmp_path_factory.mktemp("copy")
    publish(reconciled, folder / "published", phone_hash=_HASH)
    return folder


def _rows() -> list[str]:
    sent = "TIMESTAMPTZ '2026-11-09 08:00:00+08', DATE '2026-11-09'"
    reported = "TIMESTAMPTZ '2026-11-09 08:00:05+08'"
    received = "TIMESTAMPTZ '2026-11-09 09:00:00+08'"
    came = "'a.call', NULL, TRUE, FALSE, FALSE"
    return [
        "INSERT INTO core.campaigns VALUES ('20261109', 0, '2026-11-09', 3, 2, 2, 1, TRUE, FALSE, NULL, TRUE, 0, 1)",
        f"""INSERT INTO core.recipients VALUES
        ('20261109', 0, 0, 'planned', NULL, NULL, '{_PHONE}', 'u_{_PHONE}', 0, '{_TEXT}', '', NULL, 1,
            '{{"city": "上海", "phone2": "{_OTHER_PHONE}", "phone3":{_OTHER_PHONE}, "phone4": "139-0000 9999"}}',
            NULL, 1),
        ('20261109', 1, 1, 'planned', NULL, NULL, '{_OTHER_PHONE}', 'order_2', 0, '{_TEXT}', '', NULL, 1, NULL,
            NULL, 1),
        ('20261109', 2, NULL, 'invalid', 'not a phone', NULL, 'Zhang San', NULL, NULL, '{_TEXT}', '', NULL, NULL,
            NULL, NULL, 1)""",
        f"""INSERT INTO core.batches VALUES
        ('B0', '20261109', 0, 0, 1, 2, 1, 'accepted', '000000', 200, NULL, {sent}, NULL, 9, NULL, 1)""",
        f"""INSERT INTO core.reports VALUES
        (NULL, 'u_{_PHONE}', '{_PHONE}', 'DELIVRD', {reported}, 'B0', TRUE, '', '', {received}, {came}, 1),
        (NULL, 'order_2', '{_PHONE}', 'DELIVRD', {reported}, 'B0', TRUE, '', '', {received}, {came}, 1),
        (NULL, '{_PHONE}', '{_PHONE}', 'DELIVRD', {reported}, 'B0', TRUE, '', '', {received}, {came}, 1)""",
        f"""INSERT INTO core.replies VALUES
        ('{_PHONE}', '{_REPLY}', '1069', {received}, TRUE, {received}, {came}, '', 1)""",
        f"INSERT INTO core.suppressions VALUES ('{_PHONE}', 'opt-out', {received}, 'c.parquet', FALSE, 1)",
    ]


def test_phones_are_masked_and_hashed_with_the_key(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, tmp_path / "published", phone_hash=_HASH)

    rows = _ask(tmp_path, "SELECT phone_masked, phone_hash, mission_num, owner FROM messages ORDER BY input_row")
    masked, digest, mission_num, owner = rows[0]
    assert (masked, mission_num) == ("138****1234", None)
    assert json.loads(owner) == {
        "city": "上海",
        "phone2": "139****9999",
        "phone3": "139****9999",
        "phone4": "139****9999",
    }
    assert rows[2][:2] == (None, None)
    assert _ask(tmp_path, "SELECT phone_masked, phone_hash FROM replies") == [("138****1234", digest)]
    publish(warehouse, tmp_path / "published", phone_hash=PhoneHash("another"))
    assert _ask(tmp_path, "SELECT phone_hash FROM replies") != [(digest,)]


@pytest.mark.parametrize(("reach", "same"), [("installation", True), ("campaign", False), ("none", None)])
def test_only_phones_that_may_have_got_a_message_are_hashed_and_as_far_as_is_set(
    warehouse: Warehouse, tmp_path: Path, reach: str, same: bool | None
) -> None:
    sent = {"in_doubt", "accepted", "unreported", "delivered", "failed"}
    with warehouse.write() as connection:
        for table, values in (
            ("core.recipients", "c AS campaign_id, t.status_num AS input_row"),
            ("core.message_status", "c AS campaign_id, t.status_num AS input_row, t.status AS status"),
        ):
            connection.execute(
                f"INSERT INTO {table} SELECT r.* REPLACE ({values})"
                f" FROM {table} AS r, core.statuses AS t, unnest(['a', 'b']) AS campaigns(c) WHERE r.input_row = 0"
            )
        connection.execute(
            "INSERT INTO marts.campaign_delivery SELECT d.* REPLACE (c AS campaign_id)"
            " FROM marts.campaign_delivery AS d, unnest(['a', 'b']) AS campaigns(c)"
        )
        connection.execute("UPDATE core.reply_matches SET campaign_id = 'a'")
    publish(warehouse, tmp_path / "published", phone_hash=PhoneHash(_KEY, reach))

    hashes: dict[str, str | None] = {}
    for campaign_id, status, digest in _ask(
        tmp_path, "SELECT campaign_id, status, phone_hash FROM messages WHERE campaign_id IN ('a', 'b')"
    ):
        assert (digest is not None) == (status in sent and reach != "none"), status
        hashes[campaign_id] = hashes.get(campaign_id) or digest
    assert _ask(tmp_path, "SELECT phone_hash FROM replies") == [(hashes["a"],)]
    assert same is None or (hashes["a"] == hashes["b"]) == same


SPELLED = (
    "139-0000-9999",
    "1390000 9999",
    "1 3 9 0 0 0 0 9 9 9 9",
    "+86 (139) 0000 9999",
    "139.0000.9999",
    "[139]0000[9999]",
    "139\u200b0000\u200b9999",
    "139\n00009999",
    "１３９００００９９９９",
    "١٣٩٠٠٠٠٩٩٩٩",
    "۱۳۹ ۰۰۰۰ ۹۹۹۹",
    "013900009999",
    "13900009999.0",
)


def test_another_phone_is_masked_in_every_text_however_it_is_written(warehouse: Warehouse, tmp_path: Path) -> None:
    friends = {phone: [phone, {phone: phone}] for phone in SPELLED}
    with warehouse.write() as connection:
        connection.execute(
            "UPDATE core.recipients SET reason = $phone, template_id = $phone, mission_num = $number, owner = $owner"
            " WHERE input_row = 0",
            {"phone": SPELLED[1], "number": f"u_{_OTHER_PHONE}", "owner": json.dumps({"city": "上海", **friends})},
        )
        connection.execute("UPDATE core.reply_matches SET access_num = $1", [SPELLED[0]])
    publish(warehouse, tmp_path / "published", phone_hash=_HASH)

    *texts, owner = _ask(tmp_path, "SELECT mission_num, reason, template_id, owner FROM messages WHERE input_row = 0")[
        0
    ]
    values = [*texts, *_leaves(json.loads(owner)), *_ask(tmp_path, "SELECT access_num FROM replies")[0]]
    assert "上海" in values
    assert sum("****" in value for value in values) == 4 + 4 * len(SPELLED)
    for value in values:
        digits = "".join(str(unicodedata.digit(sign)) for sign in value if sign.isdigit())
        assert "0000999" not in digits


def _leaves(value: object) -> Iterator[str]:
    """The names and texts within a value of JSON."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield str(value)


def test_no_phone_and_no_text_is_in_the_bytes(warehouse: Warehouse, tmp_path: Path) -> None:
    version = publish(warehouse, tmp_path / "published", phone_hash=_HASH).version
    files = [path for path in version.rglob("*") if path.is_file()]
    for path in version.rglob("*.parquet"):  # unpacked too, since compression would hide them
        pl.read_parquet(path, hive_partitioning=False).write_csv(version / f"{path.stem}.csv")
    with duckdb.connect(version / "analytics.duckdb", read_only=True) as connection:
        connection.execute(f"EXPORT DATABASE '{version / 'export'}'")

    shown = [path for path in version.rglob("*") if path.is_file()]
    assert len(files) == len(MARTS) + 4  # messages, replies, analytics.duckdb, version.json
    assert len(shown) > len(files) + 15
    for path in shown:
        content = path.read_bytes()
        for secret in (_PHONE, _OTHER_PHONE, _TEXT, _REPLY, "Zhang San", _KEY):
            assert secret.encode() not in content, f"{path.name} holds what must not be published"


def test_tables_views_and_columns_carry_the_comments_of_their_contracts(copy: Path) -> None:
    for contract in (*MARTS, *PUBLISHED):
        schema, name = table_of(contract).split(".")
        kind = "view" if schema == "main" else "table"
        where = f"WHERE schema_name = '{schema}'"
        assert _ask(copy, f"SELECT comment FROM duckdb_{kind}s() {where} AND {kind}_name = '{name}'") == [
            (comment_of(contract),)
        ]
        described = _ask(
            copy,
            f"SELECT column_name, data_type, comment FROM duckdb_columns() {where} AND table_name = '{name}'"
            " ORDER BY column_index",
        )
        assert described == [(column.name, column.duckdb_type, column.description) for column in columns_of(contract)]


def test_nothing_in_the_file_lacks_a_comment(copy: Path) -> None:
    for kind in ("tables", "views", "columns", "functions"):
        comments = _ask(copy, f"SELECT comment FROM duckdb_{kind}() WHERE NOT internal")
        assert comments
        assert all(comment for (comment,) in comments), kind


def test_the_file_has_the_storage_version_that_old_tools_open(copy: Path) -> None:
    ((version,),) = _ask(copy, "SELECT tags['storage_version'] FROM duckdb_databases() WHERE NOT internal")
    assert version.startswith("v1.0.0")


def test_a_session_left_open_sees_one_state_of_the_books_and_a_new_one_the_newest(
    warehouse: Warehouse, tmp_path: Path, parameters: dict[str, Any]
) -> None:
    published = tmp_path / "published"
    first = publish(warehouse, published, phone_hash=_HASH).version
    with _session(published) as ask:
        assert ask() == "1 [1]"
        with warehouse.write() as connection:
            connection.execute("UPDATE core.reports SET phone = ? WHERE mission_num = 'order_2'", [_OTHER_PHONE])
        reconcile(warehouse, **parameters)
        second = publish(warehouse, published, phone_hash=_HASH).version
        third = publish(warehouse, published, phone_hash=_HASH).version
        assert ask() == "1 [1]"
        assert sorted(first.parent.iterdir()) == [first, second, third]

    assert published.resolve() == third
    fourth = publish(warehouse, published, phone_hash=_HASH).version
    assert sorted(first.parent.iterdir()) == [third, fourth]
    with _session(published) as ask:
        assert ask() == "2 [2]"
    assert pl.read_parquet(published / "marts" / "campaign_delivery.parquet")["delivered_count"].to_list() == [2]
    messages = pl.scan_parquet(published / "messages" / "**" / "*.parquet", hive_partitioning=True)
    assert messages.collect().height == 3


def test_old_versions_are_removed_at_once_on_request(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, tmp_path / "published", phone_hash=_HASH)
    with _session(tmp_path / "published"):
        only = publish(warehouse, tmp_path / "published", phone_hash=_HASH, keep_old=False).version

    assert [*only.parent.iterdir()] == [only]


def test_an_old_version_that_cannot_be_removed_is_named_and_tried_again(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = tmp_path / "published"
    first, _ = (publish(warehouse, published, phone_hash=_HASH).version for _ in range(2))
    with monkeypatch.context() as patched:
        patched.setattr("os.rmdir", _refused)
        third = publish(warehouse, published, phone_hash=_HASH)

    assert published.resolve() == third.version
    assert third.left_over == (first,)
    assert publish(warehouse, published, phone_hash=_HASH).left_over == ()
    assert not first.exists()


def test_campaign_ids_that_look_like_numbers_stay_text(copy: Path) -> None:
    assert _ask(copy, "SELECT DISTINCT campaign_id FROM messages") == [("20261109",)]


def test_an_empty_warehouse_is_published_too(
    tmp_path: Path, warehouse_of: MakeWarehouse, parameters: dict[str, Any]
) -> None:
    empty = warehouse_of(tmp_path)
    reconcile(empty, **parameters)

    summary = publish(empty, tmp_path / "published", phone_hash=_HASH)

    assert (summary.message_count, summary.reply_count) == (0, 0)
    assert _ask(tmp_path, "SELECT count(*) FROM messages") == [(0,)]


def test_a_folder_that_publish_did_not_make_is_left_alone(warehouse: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "published").mkdir()

    with pytest.raises(UsageError, match="was not created by 'smsrecon publish'"):
        publish(warehouse, tmp_path / "published", phone_hash=_HASH)


def test_a_warehouse_that_was_never_reconciled_is_refused_and_nothing_changes(
    tmp_path: Path, warehouse_of: MakeWarehouse
) -> None:
    with pytest.raises(UsageError, match="compute them with 'smsrecon reconcile'"):
        publish(warehouse_of(tmp_path), tmp_path / "published", phone_hash=_HASH)

    assert not (tmp_path / "published").exists()
    assert list((tmp_path / ".published").iterdir()) == []


# One who keeps the copy open in a process of their own, and counts what is delivered each time that they are asked.
_SESSION = """
import duckdb, sys
with duckdb.connect(sys.argv[1], read_only=True) as published:
    for _ in sys.stdin:
        in_mart = published.execute("SELECT delivered_count FROM marts.campaign_delivery").fetchone()
        in_messages = published.execute("SELECT count(*) FROM messages WHERE status = 'delivered'").fetchone()
        print(in_mart[0], [*in_messages], flush=True)
"""


@contextmanager
def _session(published: Path) -> Iterator[Callable[[], str]]:
    command = [sys.executable, "-c", _SESSION, str(published / "analytics.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        asking, answers = process.stdin, process.stdout

        def ask() -> str:
            print("again", file=asking, flush=True)
            return answers.readline().strip()

        ask()
        yield ask
        asking.close()


def _refused(*_: object, **__: object) -> None:
    raise PermissionError


def _ask(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(folder / "published" / "analytics.duckdb", read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_a_version_notes_how_it_was_made_and_nothing_of_the_key(warehouse: Warehouse, tmp_path: Path) -> None:
    version = publish(warehouse, tmp_path / "published", phone_hash=_HASH).version
    with warehouse.read() as connection:
        computed = last_computed(connection)
    assert computed is not None

    assert VersionNote.read(version) == VersionNote.of(computed, _HASH)
    assert VersionNote.of(computed, _HASH) != VersionNote.of(computed, PhoneHash(_KEY, "campaign"))
    for damaged in ("", "[]", "{}", '{"as_of": 1, "loaded": [1, 2]}', '{"as_of": "2026-11-20", "loaded": [1], "x": 2}'):
        (version / "version.json").write_text(damaged)
        assert VersionNote.read(version) is None

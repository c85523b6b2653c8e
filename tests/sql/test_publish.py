"""The analysts' copy holds the right rows, no phones or texts, and never makes a reader wait."""

import json
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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
from pipelines.warehouse.publish import PublishSummary, publish
from pipelines.warehouse.reconcile import reconcile
from pipelines.warehouse.version_note import PhoneHash, VersionNote
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
            connection.execute("INSERT INTO core.loads VALUES (1, now())")
            connection.execute("UPDATE core.reports SET phone = ? WHERE mission_num = 'order_2'", [_OTHER_PHONE])
        reconcile(warehouse, **parameters)
        second = publish(warehouse, published, phone_hash=_HASH).version
        _bring_news(warehouse)
        third = publish(warehouse, published, phone_hash=_HASH).version
        assert ask() == "1 [1]"
        assert sorted(first.parent.iterdir()) == [first, second, third]

    assert published.resolve() == third
    _bring_news(warehouse)
    fourth = publish(warehouse, published, phone_hash=_HASH).version
    assert sorted(first.parent.iterdir()) == [third, fourth]
    with _session(published) as ask:
        assert ask() == "2 [2]"
    assert pl.read_parquet(published / "marts" / "campaign_delivery.parquet")["delivered_count"].to_list() == [2]
    for folder in (published / "messages", published / "messages" / "**" / "*.parquet"):
        messages = pl.read_parquet(folder)
        assert messages["campaign_id"].to_list() == ["20261109"] * 3


def test_old_versions_are_removed_at_once_on_request(warehouse: Warehouse, tmp_path: Path) -> None:
    publish(warehouse, tmp_path / "published", phone_hash=_HASH)
    with _session(tmp_path / "published"):
        only = publish(warehouse, tmp_path / "published", phone_hash=_HASH, keep_old=False).version

    assert [*only.parent.iterdir()] == [only]


def test_an_old_version_that_cannot_be_removed_is_named_and_tried_again(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = tmp_path / "published"
    first = publish(warehouse, published, phone_hash=_HASH).version
    _bring_news(warehouse)
    publish(warehouse, published, phone_hash=_HASH)
    _bring_news(warehouse)
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


def _bring_news(warehouse: Warehouse, *campaign_ids: str) -> None:
    """Leave the marks of a reconcile that changed these campaigns, or no campaign."""
    with warehouse.write() as connection:
        connection.execute("UPDATE core.computed SET computed_id = uuid()::VARCHAR")
        connection.execute(
            "UPDATE core.computed_campaigns SET computed_id = uuid()::VARCHAR WHERE list_contains(?, campaign_id)",
            [campaign_ids],
        )


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

    note = VersionNote.read(version)
    assert note is not None
    assert replace(note, files={}) == VersionNote.of(computed, _HASH, folder=version)
    assert not note.is_alike(VersionNote.of(computed, PhoneHash(_KEY, "campaign"), folder=version))
    for damaged in ("", "[]", "{}", '{"as_of": 1, "loaded": [1, 2]}', '{"as_of": "2026-11-20", "loaded": [1], "x": 2}'):
        (version / "version.json").write_text(damaged)
        assert VersionNote.read(version) is None


# What is new


@pytest.fixture
def several(warehouse: Warehouse) -> Warehouse:
    """The reconciled campaign, and four more with the same rows, planned later: f, e, d, c."""
    with warehouse.write() as connection:
        for table in ("core.campaigns", "core.recipients", "core.message_status", "marts.campaign_delivery"):
            planned = ", DATE '2026-11-10' + k AS planned_at" if table.endswith(("campaigns", "delivery")) else ""
            connection.execute(
                f"INSERT INTO {table} SELECT r.* REPLACE (c AS campaign_id{planned})"
                f" FROM {table} AS r, (VALUES ('f', 1), ('e', 2), ('d', 3), ('c', 4)) AS added (c, k)"
            )
        connection.execute(
            "INSERT INTO core.computed_campaigns SELECT c, 0, c FROM (SELECT unnest(['c', 'd', 'e', 'f']) AS c)"
        )
    return warehouse


def _publish(warehouse: Warehouse, tmp_path: Path, phone_hash: PhoneHash = _HASH, **options: Any) -> PublishSummary:
    """Publish in parts of two campaigns, since one has less than a quarter of a part."""
    return publish(warehouse, tmp_path / "published", phone_hash=phone_hash, part_rows=13, **options)


def _inodes(version: Path) -> dict[str, int]:
    return {path.relative_to(version).as_posix(): path.stat().st_ino for path in version.rglob("*") if path.is_file()}


def _new_files(version: Path, before: dict[str, int]) -> set[str]:
    """The names of the files of a version that were not in the version before."""
    return {name for name, inode in _inodes(version).items() if inode not in before.values()}


_OF_EACH_VERSION = {"analytics.duckdb", "version.json"}


def test_parts_hold_whole_campaigns_in_order_of_planning(several: Warehouse, tmp_path: Path) -> None:
    version = _publish(several, tmp_path).version

    assert {
        path.name: sorted(pl.read_parquet(path)["campaign_id"].unique().to_list())
        for path in (version / "messages").iterdir()
    } == {
        "part-00001.parquet": ["20261109", "f"],
        "part-00002.parquet": ["d", "e"],
        "part-00003.parquet": ["c"],
    }


def test_only_files_with_news_are_written_and_the_others_are_those_of_the_version_before(
    several: Warehouse, tmp_path: Path
) -> None:
    first = _inodes(_publish(several, tmp_path).version)
    with several.write() as connection:
        connection.execute("UPDATE core.message_status SET code = 'new' WHERE campaign_id = 'e'")
        connection.execute("UPDATE marts.batch_delivery SET failed_count = 99")
    _bring_news(several, "e")

    summary = _publish(several, tmp_path)

    written = {"messages/part-00002.parquet", "marts/batch_delivery.parquet"}
    assert _new_files(summary.version, first) == written | _OF_EACH_VERSION
    assert (summary.is_new, summary.written_file_count, summary.shared_file_count) == (True, 3, len(first) - 4)
    assert _ask(tmp_path, "SELECT DISTINCT campaign_id FROM messages WHERE code = 'new'") == [("e",)]
    assert _ask(tmp_path, "SELECT count(*), count(DISTINCT campaign_id) FROM messages") == [(15, 5)]
    assert _ask(tmp_path, "SELECT DISTINCT failed_count FROM marts.batch_delivery") == [(99,)]


def test_a_reply_is_news_of_the_replies_alone(several: Warehouse, tmp_path: Path) -> None:
    first = _inodes(_publish(several, tmp_path).version)
    with several.write() as connection:
        connection.execute("UPDATE core.reply_matches SET is_opt_out = NOT is_opt_out")
    _bring_news(several)

    assert _new_files(_publish(several, tmp_path).version, first) == {"replies/replies.parquet"} | _OF_EACH_VERSION


def test_a_new_campaign_is_added_to_the_last_part_and_moves_no_other(several: Warehouse, tmp_path: Path) -> None:
    with several.write() as connection:
        connection.execute("CREATE TABLE kept AS FROM marts.campaign_delivery WHERE campaign_id IN ('20261109', 'c')")
        connection.execute("DELETE FROM marts.campaign_delivery WHERE campaign_id IN ('20261109', 'c')")
    first = _inodes(_publish(several, tmp_path).version)  # f and e, d
    with several.write() as connection:
        connection.execute("INSERT INTO marts.campaign_delivery FROM kept; DROP TABLE kept")
    _bring_news(several)

    version = _publish(several, tmp_path).version

    assert _new_files(version, first) & {*_parts(version)} == {
        "messages/part-00002.parquet",
        "messages/part-00003.parquet",
    }
    assert [*_parts(version).values()] == [{"e", "f"}, {"20261109", "d"}, {"c"}]


def _parts(version: Path) -> dict[str, set[str]]:
    """The campaigns of each part."""
    paths = sorted(version.glob("messages/*"))
    return {f"messages/{path.name}": {*pl.read_parquet(path)["campaign_id"]} for path in paths}


def test_a_large_campaign_has_files_of_its_own_and_no_row_is_lost(several: Warehouse, tmp_path: Path) -> None:
    version = publish(several, tmp_path / "published", phone_hash=_HASH, part_rows=2).version

    assert [pl.read_parquet(path).height for path in sorted(version.glob("messages/*"))] == [2, 1] * 5
    assert _ask(tmp_path, "SELECT count(*), count(DISTINCT (campaign_id, input_row)) FROM messages") == [(15, 15)]


def test_without_news_nothing_is_written_and_the_version_stays(several: Warehouse, tmp_path: Path) -> None:
    first = _publish(several, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in first.version.parent.rglob("*")}

    second = _publish(several, tmp_path)

    assert second == replace(
        first,
        is_new=False,
        written_file_count=0,
        shared_file_count=first.written_file_count,
        notes=("nothing is new since the last publish, and no file was written",),
    )
    assert {path: path.stat().st_mtime_ns for path in first.version.parent.rglob("*")} == before


def test_without_news_the_version_before_stays_and_what_a_killed_publish_left_is_removed(
    several: Warehouse, tmp_path: Path
) -> None:
    first = _publish(several, tmp_path).version
    _bring_news(several)
    second = _publish(several, tmp_path).version
    (second.parent / "99991231T000000.000000Z").mkdir()
    (second.parent / "next").symlink_to("99991231T000000.000000Z")

    assert _publish(several, tmp_path).version == second
    assert sorted(second.parent.iterdir()) == [first, second]


@pytest.mark.parametrize("what", ["messages/part-00002.parquet", "marts/exceptions.parquet", "replies/replies.parquet"])
def test_a_file_that_is_gone_damaged_or_rewritten_is_written_again(
    several: Warehouse, tmp_path: Path, what: str
) -> None:
    version = _publish(several, tmp_path).version
    content = (version / what).read_bytes()
    for spoil in (
        lambda path: path.unlink(),
        lambda path: path.write_bytes(content[:-1]),
        lambda path: path.write_bytes(bytes([*content[:-1], content[-1] ^ 1])),  # the same size
    ):
        before = _inodes(version)
        with (version / what).open("rb"):  # so that its inode is not used again
            spoil(version / what)
            version = _publish(several, tmp_path).version
        assert _new_files(version, before) == {what} | _OF_EACH_VERSION
        assert (version / what).read_bytes() == content


def test_a_file_too_many_or_a_spoilt_database_makes_a_new_version(several: Warehouse, tmp_path: Path) -> None:
    version = _publish(several, tmp_path).version
    shutil.copy(version / "messages/part-00001.parquet", version / "messages/other.parquet")
    second = _publish(several, tmp_path)
    assert second.is_new
    assert not (second.version / "messages/other.parquet").exists()
    (second.version / "analytics.duckdb").write_bytes(b"x")
    assert _publish(several, tmp_path).is_new
    assert _ask(tmp_path, "SELECT count(*) FROM messages") == [(15,)]


def _without_note(version: Path) -> None:
    (version / "version.json").unlink()


def _with_other_form(version: Path) -> None:
    note = VersionNote.read(version)
    assert note is not None
    replace(note, form="of another DuckDB").write(version)


@pytest.mark.parametrize(
    ("spoil", "options"),
    [
        (None, {"phone_hash": PhoneHash("f" * 64)}),
        (None, {"phone_hash": PhoneHash(_KEY, "campaign")}),
        (None, {"keep_old": False}),
        (_without_note, {}),
        (_with_other_form, {}),
    ],
    ids=["another key", "another reach", "no old version", "no note", "another form"],
)
def test_nothing_is_shared_where_more_than_rows_may_differ(
    several: Warehouse, tmp_path: Path, spoil: Callable[[Path], None] | None, options: dict[str, Any]
) -> None:
    version = _publish(several, tmp_path).version
    if spoil is not None:
        spoil(version)
    before = _inodes(version)
    with ExitStack() as held:
        for name in before:
            held.enter_context((version / name).open("rb"))  # so that no inode is used again
        summary = _publish(several, tmp_path, **options)

    assert _new_files(summary.version, before) == _inodes(summary.version).keys()
    assert summary.shared_file_count == 0


def test_a_campaign_without_a_computed_id_is_never_shared(several: Warehouse, tmp_path: Path) -> None:
    with several.write() as connection:
        connection.execute("DELETE FROM core.computed_campaigns WHERE campaign_id = 'e'")
    first = _inodes(_publish(several, tmp_path).version)
    _bring_news(several)

    assert _new_files(_publish(several, tmp_path).version, first) == {"messages/part-00002.parquet"} | _OF_EACH_VERSION


def test_a_copy_of_the_data_folder_shares_parts_but_its_views_read_its_own(several: Warehouse, tmp_path: Path) -> None:
    _publish(several, tmp_path)
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("published", ".published"):
        (tmp_path / name).rename(moved / name)

    summary = publish(several, moved / "published", phone_hash=_HASH, part_rows=13)

    assert (summary.is_new, summary.written_file_count) == (True, 1)
    assert _ask(moved, "SELECT count(*) FROM messages") == [(15,)]


def test_files_are_copied_where_there_are_no_hard_links(
    several: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _publish(several, tmp_path).version
    _bring_news(several)
    monkeypatch.setattr("os.link", _refused)

    second = _publish(several, tmp_path)
    assert _new_files(second.version, _inodes(first)) == _inodes(second.version).keys()
    assert second.shared_file_count == len(_inodes(first)) - 2
    assert _ask(tmp_path, "SELECT count(*) FROM messages") == [(15,)]
    assert not _publish(several, tmp_path).is_new


def test_nobody_can_try_phones_against_the_digest_of_the_replies(several: Warehouse, tmp_path: Path) -> None:
    digests = []
    for key in (_KEY, "f" * 64):
        note = VersionNote.read(_publish(several, tmp_path, PhoneHash(key)).version)
        assert note is not None
        digests.append(note.files["replies/replies.parquet"].digest)

    assert len({*digests}) == 2

"""A person is found in every kind of file and column, however their phone is written; a phone that stays is named."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipelines.campaign.plan import PlanRequest, make_plan
from pipelines.campaign.suppressions import land_entries
from pipelines.errors import BooksError
from pipelines.landing.calls import Call
from pipelines.landing.imports import Import
from pipelines.landing.landing import Landing, landing_of
from pipelines.landing.segments.frames import frame_bytes
from pipelines.operations import erasure
from pipelines.operations.erased_person import Person
from pipelines.operations.erasure import erase_person
from pipelines.settings import Settings
from pipelines.warehouse.database import warehouse_of
from pipelines.warehouse.search import columns_holding

AT = datetime(2026, 11, 20, 2, tzinfo=UTC)
WHO, OTHER = "13912345678", "13800138001"
GROUPS = [WHO[:3], WHO[3:7], WHO[7:]]
WIDE = WHO.translate(str.maketrans("0123456789", "０１２３４５６７８９"))
SPELLED = ("-".join(GROUPS), " ".join(GROUPS), ".".join(GROUPS), f"+86 {WHO[:5]} {WHO[5:]}", WIDE, "\t".join(WHO))
IN_JSON = "".join(f"\\u{ord(digit):04x}" for digit in WHO)
IN_XML = "".join(f"&#{ord(digit)};" for digit in WHO)
SAYS = "我住在佛山"


def land_everything(settings: Settings, folder: Path) -> Landing:
    """A landing with the person in each kind of file, and in columns of others, in all spellings."""
    landing = landing_of(settings)
    phones = [OTHER, WHO, *(f"1380013810{place}" for place in range(len(SPELLED)))]
    owner = {
        "friend": [*SPELLED, "x", "x"],
        WHO: ["x"] * len(phones),
        "friends": [[phone] for phone in [*SPELLED, "x", "x"]],
        "contact": [{"name": "x", "phone": phone} for phone in [*SPELLED, "x", "x"]],
        "called": [float(WHO)] * len(phones),
        "city": ["佛山"] * len(phones),
    }
    people = folder / "people.parquet"
    pl.DataFrame({"phone": phones, "template_id": [SPELLED[0]] * len(phones), **owner}).write_parquet(people)
    make_plan(PlanRequest("spring", people, "【云锋】到货"), landing=landing, settings=settings, at=AT)
    with closing(sqlite3.connect(landing.journal_path)) as journal:
        journal.execute(
            "INSERT INTO events (happened_at, campaign_id, event, batch_num, detail)"
            " VALUES (1, 'spring', 'suppressed', 'b', ?)",
            [f"asked by {SPELLED[0]}"],
        )
        journal.commit()
    time = "2026-11-20 09:00:00"
    report = (
        f'{{"missionNum":"m1","destId":"{IN_JSON}","receiveRealStatus":"DELIVRD","statTime":"{time}","batchNum":"b"}}'
    )
    replies = [f'{{"srcId":"{IN_JSON}","content":"{SAYS}","destId":"1069","moTime":"{time}"}}']
    replies += [
        json.dumps({"srcId": OTHER, "content": f"问{text}", "destId": "1069", "moTime": time}) for text in SPELLED
    ]
    for minute, (kind, records) in enumerate((("reports", report), ("replies", ",".join(replies)))):
        body = f'{{"errorCode":"000000","records":[{records}]}}'.encode()
        landing.calls.land(Call(kind, AT.replace(minute=minute), 5, "json", http_status=200, body=body))
    head = "<head><app_key>k</app_key><time_stamp>20261120090000</time_stamp></head>"
    pushes = [
        f"<xml>{head}<body><dest><src_id>{IN_XML}</src_id><content>{SAYS}</content><dest_id>1</dest_id></dest></body></xml>",
        f"<xml>{head}<body><records><record><mission_num>u{IN_XML}</mission_num><dest_id>{IN_XML}</dest_id>"
        f"<receive_real_status>MK:0001</receive_real_status><stat_time>{time}</stat_time></record></records></body></xml>",
        f'{{"srcId": "{IN_JSON}"}}',
        "phone=" + "".join(f"%{ord(digit):02X}" for digit in WHO),
    ]
    path = landing.pushes.new_path(AT)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(frame_bytes({"received_at": AT.isoformat()}, push.encode()) for push in pushes))
    rows = [
        "手机号,回复内容,回复时间",
        f"{SPELLED[0]},{SAYS},{time}",
        f"{OTHER},问{SPELLED[1]},{time}",
        f"{OTHER},a,{time},{WIDE}",
    ]
    mapping = {"phone": "手机号", "content": "回复内容", "mo_time": "回复时间"}
    landing.imports.land(Import("replies", AT, f"{WHO}.csv", mapping, "\n".join(rows).encode("gbk")))
    listed = {"phone": ["13800138100"], "reason": [f"same as {SPELLED[0]}"], "since_at": [AT], "is_removed": [False]}
    land_entries(landing, pl.DataFrame(listed), name="x", at=AT)
    return landing


def values_of(database: Path) -> list[str]:
    """All values of all tables of a database, as text, and the names of columns."""
    with duckdb.connect(database, read_only=True) as connection:
        tables = connection.execute(
            "SELECT DISTINCT schema_name || '.' || table_name FROM duckdb_columns() WHERE NOT internal"
        )
        rows = [row for (table,) in tables.fetchall() for row in connection.table(table).fetchall()]
    return [str(value) for row in rows for value in row]


def test_a_person_is_found_in_every_file_and_column_and_the_rest_stays(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    landing = land_everything(settings, tmp_path)

    erase_person(WHO, settings=settings, clock=lambda: AT)

    person = Person(WHO, "10000000000")
    for database in (settings.warehouse_path, settings.published_folder / "analytics.duckdb"):
        values = values_of(database)
        assert not [value for value in values if person.is_in(value) or SAYS in value]
    for path in landing.root.rglob("*"):
        if path.is_file() and path.suffix != ".parquet":
            assert person.erased_from(path.read_bytes()) == path.read_bytes(), path
            assert SAYS.encode() not in path.read_bytes()
    plan = pl.read_parquet(landing.campaigns.plan_path("spring"))
    assert plan["phone"].to_list()[0] == OTHER
    owner = plan["owner"].struct.unnest()
    assert owner["city"].to_list() == ["佛山", None, *["佛山"] * len(SPELLED)]
    assert not person.is_in(f"{plan.to_dicts()} {plan.schema}")
    assert not landing.forgetting_path.exists()


def test_a_phone_that_stays_in_a_table_is_named_by_its_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    landing = land_everything(settings, tmp_path)
    monkeypatch.setattr(erasure, "_rewrites", lambda *_, **__: iter(()))

    with pytest.raises(
        BooksError, match=r"the phone is still in core\.followed_phones\.phone, core\.recipients\.owner, "
    ) as caught:
        erase_person(WHO, settings=settings, clock=lambda: AT)

    columns = ("core.recipients.phone", "core.recipients.owner", "core.replies.content", "core.reports.phone")
    assert all(column in str(caught.value) for column in columns)
    assert caught.value.exit_code == 14
    assert not Person(WHO, "x").is_in(str(caught.value))
    assert landing.forgetting_path.exists()


def test_every_column_of_text_is_searched(tmp_path: Path) -> None:
    texts = [*SPELLED, IN_JSON, IN_XML, json.dumps({"a": "\n".join(WHO)})]
    columns = [f"{kind}{place}" for place in range(len(texts)) for kind in "tj"]
    values = [f"x {text}" for text in texts]
    frame = pl.DataFrame({f"t{place}": [value, "a"] for place, value in enumerate(values)} | {"number": [1, 2]})
    with warehouse_of(Settings(data_dir=tmp_path)).write() as connection:
        as_json = [
            duckdb.FunctionExpression("to_json", duckdb.ColumnExpression(f"t{place}")).alias(f"j{place}")
            for place in range(len(texts))
        ]
        connection.from_arrow(frame.to_arrow()).select(duckdb.StarExpression(), *as_json).create("core.x")

        found = {*columns_holding(connection, WHO, Person(WHO, "x").is_in)}
        assert found == {f"core.x.{column}" for column in columns}
        connection.execute("CREATE TABLE core.halves AS SELECT ? AS a, ? AS b", [WHO[:7], WHO[7:]])
        assert {*columns_holding(connection, WHO, Person(WHO, "x").is_in)} == found  # not across columns
        assert [*columns_holding(connection, OTHER, Person(OTHER, "x").is_in)] == []

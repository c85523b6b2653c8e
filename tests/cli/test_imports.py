"""Reports imported from a file of the vendor's console give the same books as pulled ones."""

import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlsxwriter

from pipelines.gateway.wire import read_replies, read_reports
from pipelines.landing.landing import Landing
from pipelines.settings import WarehouseSettings
from pipelines.warehouse.database import Warehouse
from tests.support.depth import cases
from tests.support.places import Closed, Ended, Place

CHINESE = {
    "mission_num": "任务号",
    "phone": "手机号码",
    "code": "状态码",
    "batch_num": "批次号",
    "stat_time": "回执时间",
    "send_status": "发送状态",
    "receive_status": "接收状态",
}
BOOKS = "SELECT input_row, status, code, delivered_at, report_count FROM core.message_status ORDER BY input_row"
MATCHES = "SELECT lookup_rule, count(*) AS n FROM core.message_status GROUP BY lookup_rule ORDER BY lookup_rule"
PHONE = "13800000001"


def csv_in(charset: str, **options: Any) -> Callable[[pl.DataFrame], bytes]:
    return lambda frame: frame.write_csv(**options).encode(charset)


def excel(frame: pl.DataFrame) -> bytes:
    """An Excel file as a console writes it: phones as numbers, times as Excel's."""
    file = BytesIO()
    frame.with_columns(
        pl.col(CHINESE["phone"]).cast(pl.Int64, strict=False).fill_null(0),
        pl.col(CHINESE["stat_time"]).str.to_datetime(),
    ).write_excel(file)
    return file.getvalue()


def parquet(frame: pl.DataFrame) -> bytes:
    file = BytesIO()
    frame.with_columns(
        pl.col(CHINESE["stat_time"]).str.to_datetime().dt.replace_time_zone("Asia/Shanghai").dt.convert_time_zone("UTC")
    ).write_parquet(file)
    return file.getvalue()


FORMS: dict[str, tuple[str, Callable[[pl.DataFrame], bytes]]] = {
    "csv_in_gbk": ("export.csv", csv_in("gbk")),
    "csv_in_utf_8_with_bom_and_semicolons": ("export.csv", csv_in("utf-8-sig", separator=";")),
    "csv_in_utf_8_with_tabs": ("export.txt", csv_in("utf-8", separator="\t")),
    "excel": ("export.xlsx", excel),
    "parquet": ("export.parquet", parquet),
}


@pytest.fixture(scope="session")
def reports(closed: Closed) -> pl.DataFrame:
    """Every report that was pulled, as the console shows it, with complete phones."""
    landing = Landing(closed.place.folder / "demo/data/landing")
    calls = [landing.calls.read(name) for name in landing.calls.names("reports")]
    frames = [pl.DataFrame(read_reports(call.body, call.format).columns) for call in calls if call.http_status]
    return (
        pl.concat(frame for frame in frames if frame.height)
        .with_columns(pl.col("phone").str.strip_prefix("86"))
        .unique(maintain_order=True)
        .rename(CHINESE)
    )


@pytest.fixture
def unpulled(closed: Closed, tmp_path: Path) -> Closed:
    """The same campaign on a machine that never pulled."""
    folder = tmp_path / "unpulled"
    shutil.copytree(closed.place.folder / "demo/data/landing", folder / "demo/data/landing")
    shutil.copy(closed.place.folder / "demo/smsrecon.toml", folder / "demo/smsrecon.toml")
    for kind in ("reports", "replies"):
        shutil.rmtree(folder / "demo/data/landing" / kind)
    return Closed(Place(folder, closed.place.variables), closed.demo, closed.gateway, closed.phones)


def brought(at: Closed, name: str, content: bytes, options: str = "--yes --json") -> Ended:
    (at.place.folder / name).write_bytes(content)
    return at.run(f"import-reports {name} {options}")


def asked(at: Closed, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query, after reconciling."""
    assert at.run("reconcile").code in (0, 14)  # no day was pulled
    return reconciled(at, query)


def reconciled(at: Closed, query: str) -> list[tuple[Any, ...]]:
    warehouse = Warehouse(at.place.folder / "demo/data/warehouse.duckdb", WarehouseSettings())
    with warehouse.read() as connection:
        return connection.sql(query).pl().rows()


# The other separators and charsets of CSV are read in tests/unit/test_exports.py too.
@pytest.mark.parametrize("form", cases(fast=["csv_in_gbk", "excel", "parquet"], deep=[*FORMS]))
def test_the_books_are_those_of_a_pull(form: str, closed: Closed, unpulled: Closed, reports: pl.DataFrame) -> None:
    name, write = FORMS[form]

    ended = brought(unpulled, name, write(reports))

    assert (ended.code, ended.err) == (0, "")
    assert ended.object["accepted_count"] == ended.object["row_count"] == reports.height
    assert ended.object["new_count"] == reports.height
    assert asked(unpulled, BOOKS) == reconciled(closed, BOOKS)


def test_a_rebuild_gives_the_same(unpulled: Closed, reports: pl.DataFrame) -> None:
    brought(unpulled, "export.csv", FORMS["csv_in_gbk"][1](reports))
    before = asked(unpulled, BOOKS)

    assert unpulled.run("rebuild").code in (0, 14)
    assert reconciled(unpulled, BOOKS) == before


def test_a_file_imported_twice_counts_once(unpulled: Closed, reports: pl.DataFrame) -> None:
    content = FORMS["csv_in_gbk"][1](reports)
    brought(unpulled, "export.csv", content)
    before = unpulled.place.files()

    again = brought(unpulled, "export.csv", content)

    assert (again.code, again.object["new_count"], again.object["is_repeated"]) == (0, 0, True)
    assert unpulled.place.files() == before
    assert "imported before" in brought(unpulled, "export.csv", content, "--yes").out


@pytest.mark.parametrize(
    "lost",
    cases(
        fast=[[], ["mission_num", "batch_num"]],
        deep=[[], ["batch_num"], ["mission_num"], ["mission_num", "batch_num"]],
    ),
)
def test_a_report_pulled_and_imported_counts_once(
    lost: list[str], closed: Closed, tmp_path: Path, reports: pl.DataFrame
) -> None:
    folder = tmp_path / "pulled"
    shutil.copytree(closed.place.folder / "demo", folder / "demo", ignore=shutil.ignore_patterns("*published"))
    pulled = Closed(Place(folder, closed.place.variables), closed.demo, closed.gateway, closed.phones)
    export = reports.drop(CHINESE[name] for name in lost)

    ended = brought(pulled, "export.csv", FORMS["csv_in_gbk"][1](export))

    assert (ended.code, ended.object["new_count"]) == (0, 0)
    assert asked(pulled, BOOKS) == reconciled(closed, BOOKS)


def test_without_mission_numbers_batch_and_phone_find_the_message(
    closed: Closed, unpulled: Closed, reports: pl.DataFrame
) -> None:
    brought(unpulled, "export.csv", FORMS["csv_in_gbk"][1](reports.drop("任务号")))
    statuses = "SELECT input_row, status, code FROM core.message_status ORDER BY input_row"

    assert asked(unpulled, statuses) == reconciled(closed, statuses)
    assert {rule for rule, _ in reconciled(unpulled, MATCHES)} == {None, "batch_phone"}


def test_without_any_number_phone_and_time_find_the_message_but_settle_no_doubt(
    unpulled: Closed, reports: pl.DataFrame
) -> None:
    brought(unpulled, "export.csv", FORMS["csv_in_gbk"][1](reports.drop("任务号", "批次号")))

    assert {rule for rule, _ in asked(unpulled, MATCHES)} == {None, "phone_time"}
    counted = dict(reconciled(unpulled, "SELECT status, count(*) FROM core.message_status GROUP BY status"))
    assert counted["in_doubt"] == 100
    assert counted["delivered"] > 500


def test_replies_come_from_a_file_too(closed: Closed, unpulled: Closed) -> None:
    landing = Landing(closed.place.folder / "demo/data/landing")
    calls = [landing.calls.read(name) for name in landing.calls.names("replies")]
    frames = [pl.DataFrame(read_replies(call.body, call.format).columns) for call in calls]
    headings = {"phone": "手机号", "content": "上行内容", "access_num": "接入号", "mo_time": "上行时间"}
    export = pl.concat(frame for frame in frames if frame.height).unique(maintain_order=True).rename(headings)

    ended = brought(unpulled, "replies.csv", FORMS["csv_in_gbk"][1](export), "--replies --yes --json")

    query = "SELECT campaign_id, replied_at, character_count, is_opt_out FROM core.reply_matches ORDER BY ALL"
    assert (ended.code, ended.object["new_count"]) == (0, export.height)
    assert asked(unpulled, query) == reconciled(closed, query)


def test_rows_that_are_not_reports_are_counted_with_their_reasons(unpulled: Closed) -> None:
    rows = f"手机号,状态,时间,备注\n{PHONE},DELIVRD,2026/11/9 8:00,\nx,DELIVRD,2026-11-09 08:00:00\n"
    rows += f"{PHONE},发送成功,昨天,1,2,3\n\n,,\n{PHONE},待返回,2026-11-09 08:00:00\n"

    shown = brought(unpulled, "export.csv", rows.encode("gbk"), "--dry-run --json").object

    assert (shown["row_count"], shown["accepted_count"], shown["rejected_count"]) == (4, 1, 3)
    assert sum(shown["reasons"].values()) == 3
    assert any(reason.startswith("code: missing") for reason in shown["reasons"])
    assert [each["row"] for each in shown["rejected_rows"]] == [3, 4, 7]
    ended = brought(unpulled, "export.csv", rows.encode("gbk"))
    assert (ended.code, ended.object["rejected_count"], ended.object["new_count"]) == (0, 3, 1)
    assert ended.object["rejected_rows"] == shown["rejected_rows"]
    assert "more cells than the headings" in shown["rejected_rows"][1]["reason"]
    text = brought(unpulled, "export.csv", rows.encode("gbk"), "--yes").out
    assert all(f"row {number}" in text for number in (3, 4, 7))
    rejects = reconciled(unpulled, "SELECT position, kind FROM core.rejects ORDER BY position")
    assert rejects == [(1, "reports"), (2, "reports"), (3, "reports")]


def test_of_many_rejected_rows_the_first_numbers_are_shown_and_all_with_json(place: Place) -> None:
    rows = "".join(f"x,DELIVRD,2026-11-09 08:00:00\n{PHONE},DELIVRD,2026-11-09 08:00:{row:02}\n" for row in range(20))
    (place.folder / "x.csv").write_text(f"导出,,\n手机号,状态,时间\n{rows}", encoding="utf-8")

    shown = place.run("import-reports x.csv --dry-run").out
    told = place.run("import-reports x.csv --yes --json").object

    assert "rows 3, 5, 7, 9, 11 and 15 more" in " ".join(shown.split())
    assert "1 row above the headings" in shown
    assert [each["row"] for each in told["rejected_rows"]] == [*range(3, 43, 2)]
    assert told["left_out"] == ["1 row above the headings"]


def test_rows_of_a_second_sheet_are_named_with_their_sheet(place: Place) -> None:
    with xlsxwriter.Workbook(place.folder / "x.xlsx") as book:
        for phones in ([PHONE], [PHONE, "x"]):
            page = book.add_worksheet()
            page.write_row(0, 0, ["手机号", "状态", "时间"])
            for number, phone in enumerate(phones, 1):
                page.write_row(number, 0, [phone, "DELIVRD", "2026-11-09 08:00:00"])

    told = place.run("import-reports x.xlsx --yes --json").object

    assert [each["row"] for each in told["rejected_rows"]] == ["3 of sheet 2"]


def test_failures_without_a_time_count_and_the_summary_says_whose_time_they_have(place: Place) -> None:
    rows = f"{PHONE},DELIVRD,,2026-11-09 08:00:01\n{PHONE},MK:0001,2026-11-09 07:00:00,\n{PHONE},MK:0010,,\n"
    (place.folder / "x.csv").write_text(f"手机号,状态,提交时间,用户接收时间\n{rows}", encoding="utf-8")

    mapping = "--mapping stat_time=用户接收时间"
    shown = " ".join(place.run(f"import-reports x.csv {mapping} --dry-run").out.split())
    told = place.run(f"import-reports x.csv {mapping} --yes --json").object

    assert "1 failed, with the time of their sending instead" in shown
    assert "1 failed, with the time of this import instead" in shown
    assert (told["accepted_count"], told["rejected_count"]) == (3, 0)
    assert told["borrowed_time_counts"] == {"sent_at": 1, "imported_at": 1}


# Preview and consent


def test_the_mapping_is_shown_without_phones_or_texts_and_nothing_is_written(
    unpulled: Closed, reports: pl.DataFrame
) -> None:
    named = reports.with_columns(pl.lit("canary text").alias("内容"), pl.lit("Canary Name").alias("姓名"))
    before = unpulled.place.files()

    shown = brought(unpulled, "export.csv", FORMS["csv_in_gbk"][1](named), "--dry-run")

    assert (shown.code, shown.err) == (0, "")
    assert all(heading in shown.out for heading in (*CHINESE.values(), "姓名", "内容"))
    assert "****" in shown.out
    assert "anary" not in shown.out
    assert not [phone for phone in unpulled.phones if phone in shown.out]
    assert unpulled.place.files() - before == {"export.csv"}


def test_a_wrongly_mapped_column_is_not_shown(unpulled: Closed) -> None:
    rows = f"a,b,c,d\n{PHONE},DELIVRD,2026-11-09 08:00:00,王小明\n{PHONE},王小明,2026-11-09 08:00:00,13900139000\n"

    told = brought(unpulled, "x.csv", rows.encode(), "--mapping code=d,phone=a --mapping stat_time=c --dry-run --json")

    assert told.object["mapping"][1] | {"found_by": "you"} == told.object["mapping"][1]
    assert not any(canary in told.out for canary in (PHONE, "13900139000", "王小明"))


def test_without_a_terminal_consent_is_missing(place: Place) -> None:
    (place.folder / "x.csv").write_text(f"phone,code,time\n{PHONE},DELIVRD,2026-11-09 08:00:00\n", encoding="utf-8")

    place.run("import-reports x.csv").fails(2, "--dry-run", "--yes")
    place.run("import-reports x.csv --json").fails(2, "--yes")
    assert not (place.folder / "data").exists()


WRONG = {
    "no_file": (b"", "import-reports nope.csv", 10, ["nope.csv"]),
    "a_folder": (b"", "import-reports .", 10, ["directory"]),
    "an_empty_file": (b"", "import-reports x.csv", 10, ["x.csv", "empty"]),
    "headings_alone": (b"phone,code,time\n", "import-reports x.csv", 10, ["x.csv", "no rows"]),
    "no_headings": (b"13800000001,DELIVRD,2026-11-09 08:00:00\n", "import-reports x.csv", 10, ["x.csv", "headings"]),
    "no_code": (b"phone,time\n13800000001,2026-11-09 08:00:00\n", "import-reports x.csv", 10, ["code", "--mapping"]),
    "a_page": ("\ufeff<html>".encode(), "import-reports x.csv", 10, ["x.csv", "HTML"]),
    "bytes": (b"\x00\x01\xff\xff", "import-reports x.csv", 10, ["x.csv", "CSV"]),
    "half_an_excel_file": (b"PK\x03\x04junk", "import-reports x.csv", 10, ["x.csv", "Excel"]),
    "half_a_parquet_file": (b"PAR1junk", "import-reports x.csv", 10, ["x.csv", "Parquet"]),
    "a_stray_quote": (
        b'phone,code,time\n13800000001,"DELIVRD"x,1,2\n',
        "import-reports x.csv",
        10,
        ["x.csv", "line 2", "quote"],
    ),
    "no_report_in_it": (b"phone,code,time\nx,y,z\n", "import-reports x.csv", 10, ["no row", "phone", "--mapping"]),
    "a_field_that_is_none": (b"a,b\n1,2\n", "import-reports x.csv --mapping frob=a", 2, ["FIELD=HEADING", "stat_time"]),
    "a_heading_that_is_none": (b"a,b\n1,2\n", "import-reports x.csv --mapping phone=c", 2, ["'c'", "--mapping"]),
    "a_column_for_two": (b"a,b\n1,2\n", "import-reports x.csv --mapping phone=a,code=a", 2, ["'a'", "two"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_call_is_one_line_and_writes_nothing(name: str, place: Place) -> None:
    content, command, code, words = WRONG[name]
    (place.folder / "x.csv").write_bytes(content)

    ended = place.run(f"{command} --yes")

    ended.fails(code, *words)
    assert not ended.out
    assert PHONE not in ended.err
    assert not (place.folder / "data").exists()

"""Exports of a console are read in all their formats, and their columns guessed from headings and values."""

import gzip
import zipfile
from datetime import UTC, datetime
from io import BytesIO

import polars as pl
import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from pipelines.sql_files import reference_rows
from pipelines.tabular.mapping import ExportKind, MappingError, map_columns, missing_fields, phone_columns
from pipelines.tabular.sheet import Sheet, UnreadableExport, read_sheet
from pipelines.tabular.values import replies_of, reports_of, with_borrowed_times

PHONE = "13800138000"
KNOWN = frozenset(row["code"] for row in reference_rows("gateway_codes"))


def sheet_of(rows: str, charset: str = "utf-8") -> Sheet:
    return read_sheet(rows.encode(charset))


def guessed(kind: ExportKind, headings: str, *values: str) -> dict[str, str]:
    names = headings.split(",")
    columns = [value.split("|") for value in values] if values else [["?"]] * len(names)
    frame = pl.DataFrame(dict(zip(names, columns, strict=True)), schema=dict.fromkeys(names, pl.String))
    return {each.field: each.heading for each in map_columns(kind, frame)}


# Headings

HEADINGS: dict[str, tuple[ExportKind, str, str]] = {
    "the_gateways_own": (
        "reports",
        "missionNum,destId,sendStatus,receiveStatus,receiveRealStatus,batchNum,statTime",
        "mission_num,phone,send_status,receive_status,code,batch_num,stat_time",
    ),
    "snake_case": (
        "reports",
        "mission_num,dest_id,send_status,receive_status,receive_real_status,batch_num,stat_time",
        "mission_num,phone,send_status,receive_status,code,batch_num,stat_time",
    ),
    "simplified": ("reports", "任务号,手机号,状态码,完成时间,批次", "mission_num,phone,code,stat_time,batch_num"),
    "traditional": ("reports", "任務號,手機號碼,狀態碼,回執時間,批次號", "mission_num,phone,code,stat_time,batch_num"),
    "traditional_reports": ("reports", "號碼,狀態報告,時間", "phone,code,stat_time"),
    "english": ("reports", "Mobile,Status,Time", "phone,code,stat_time"),
    "english_words": ("reports", "Phone Number,Stat,Report Time,Batch No.", "phone,code,stat_time,batch_num"),
    "with_remarks": ("reports", "手机号（必填）,状态(code),时间：", "phone,code,stat_time"),
    "in_capitals": ("reports", "MSISDN,CODE,DONE DATE,MSGID", "phone,code,stat_time,mission_num"),
    "wide_letters": ("reports", "手机号,ＣＯＤＥ,时间", "phone,code,stat_time"),
    "a_code_before_a_word": ("reports", "状态,手机号,状态码,时间", ",phone,code,stat_time"),
    "the_time_of_the_report": ("reports", "提交时间,手机号,状态,完成时间", "sent_at,phone,code,stat_time"),
    "not_the_time_of_sending": ("reports", "发送时间,手机号,状态", "sent_at,phone,code"),
    "replies": ("replies", "手机号,回复内容,回复时间,接入号", "phone,content,replied_at,access_num"),
    "replies_traditional": ("replies", "手機號,上行內容,上行時間,擴展號", "phone,content,replied_at,access_num"),
    "replies_of_the_gateway": ("replies", "srcId,content,destId,moTime", "phone,content,access_num,replied_at"),
    "replies_in_english": ("replies", "from,text,time", "phone,content,replied_at"),
}


@pytest.mark.parametrize("name", HEADINGS)
def test_columns_are_known_by_their_headings(name: str) -> None:
    kind, headings, fields = HEADINGS[name]
    expected = {field: heading for field, heading in zip(fields.split(","), headings.split(","), strict=True) if field}

    assert guessed(kind, headings) == expected


# Values


def test_columns_without_known_headings_are_known_by_their_values() -> None:
    values = (f"{PHONE}|+8613900139000", "DELIVRD|MK:0001", "2026-11-09 08:00:00|2026/11/9 8:00", "x|y")

    assert guessed("reports", "A,B,C,D", *values) == {"phone": "A", "code": "B", "stat_time": "C"}
    assert guessed("reports", "A,任务,C,D", PHONE, "0A1B2C3000000007", "1", "1") == {
        "phone": "A",
        "mission_num": "任务",
    }


def test_two_columns_of_the_same_form_are_not_guessed() -> None:
    assert guessed("reports", "A,B", PHONE, PHONE) == {}


def test_a_heading_of_another_field_wins_over_the_values() -> None:
    assert guessed("reports", "手机号,状态,提交时间", PHONE, "DELIVRD", "2026-11-09 08:00:00") == {
        "phone": "手机号",
        "code": "状态",
        "sent_at": "提交时间",
    }


def test_a_given_mapping_wins_and_can_leave_a_field_without_a_column() -> None:
    frame = sheet_of("a,b,状态码,批次\n1,2,3,4\n").frame

    mapped = map_columns("reports", frame, ["phone=a,stat_time=b", "batch_num="])

    assert [(each.field, each.heading, each.found_by) for each in mapped] == [
        ("phone", "a", "you"),
        ("code", "状态码", "heading"),
        ("stat_time", "b", "you"),
    ]
    assert missing_fields("reports", mapped) == []
    assert missing_fields("reports", map_columns("reports", frame)) == ["phone", "stat_time"]


@pytest.mark.parametrize("told", ["phone", "frob=a", "phone=c", "phone=a,code=a"])
def test_an_invalid_mapping_is_refused(told: str) -> None:
    with pytest.raises(MappingError):
        map_columns("reports", sheet_of("a,b\n1,2\n").frame, [told])


# Sheets

TEXT = "手机号,内容\n13800138000,你好\n"


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_read_in_every_charset_and_with_every_delimiter(charset: str, delimiter: str) -> None:
    sheet = sheet_of(TEXT.replace(",", delimiter), charset)

    assert sheet.frame.rows(named=True) == [{"手机号": PHONE, "内容": "你好"}]


def test_marks_that_make_excel_keep_digits_as_text_are_removed() -> None:
    sheet = sheet_of('a,b,c,d\n="13800138000",\'13800138000,\t13800138000,"  "\n')

    assert sheet.frame.row(0) == (PHONE, PHONE, PHONE, None)


def test_a_text_may_hold_delimiters_quotes_and_line_breaks() -> None:
    assert sheet_of('a;b\n"x;""y""\nz";1\n').frame.row(0) == ('x;"y"\nz', "1")


def test_blank_rows_are_skipped_and_a_row_with_too_many_cells_is_kept_apart() -> None:
    sheet = sheet_of("\n,,\na,b\n1,2,\n\n1\n1,2,3\n")

    assert sheet.frame.rows() == [("1", "2"), ("1", None), (None, None)]
    assert [sheet.raw(position) for position in range(3)] == ['{"a":"1","b":"2"}', '{"a":"1"}', '["1","2","3"]']


def test_every_column_has_a_unique_name() -> None:
    assert sheet_of("a,,a\n1,2,3\n").columns == ["a", "column 2", "a (2)"]


def test_the_sheets_of_a_workbook_are_one_if_their_headings_are() -> None:
    def workbook(*headings: str) -> bytes:
        file = BytesIO()
        with xlsxwriter.Workbook(file) as book:
            for heading in headings:
                page = book.add_worksheet()
                page.write_column(0, 0, [heading, 13800138000.0])
            book.add_worksheet()
            book.add_worksheet().write(0, 0, "  ")
        return file.getvalue()

    assert read_sheet(workbook("phone", "phone")).frame.rows() == [(PHONE,), (PHONE,)]
    with pytest.raises(UnreadableExport, match="different headings"):
        read_sheet(workbook("phone", "mobile"))


CONSOLE = [
    ["状态报告导出"],
    [],
    ["批次号：b1", "导出时间：", "20261120120000"],
    ["手机号（必填）", "状态码", "状态时间"],
    [PHONE, "DELIVRD", "2026-11-20 12:00:00"],
]


def workbook_of(rows: list[list[str]]) -> bytes:
    file = BytesIO()
    with xlsxwriter.Workbook(file) as book:
        page = book.add_worksheet()
        for number, row in enumerate(rows):
            page.write_row(number, 0, row)
        secret = book.add_worksheet("字典")
        secret.write_column(0, 0, ["code", "DELIVRD"])
        secret.hide()
        book.add_worksheet().very_hidden()
    return file.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "xlsx"])
def test_titles_above_the_headings_are_left_out(delimiter: str) -> None:
    text = "".join(delimiter.join(row) + "\n" for row in CONSOLE)

    sheet = read_sheet(workbook_of(CONSOLE) if delimiter == "xlsx" else text.encode())

    assert sheet.frame.rows() == [(PHONE, "DELIVRD", "2026-11-20 12:00:00")]
    assert (sheet.columns[0], [*sheet.row_numbers], sheet.left_out[0]) == (
        "手机号（必填）",
        [5],
        "2 rows above the headings",
    )


def test_hidden_sheets_are_left_out_and_named() -> None:
    assert read_sheet(workbook_of(CONSOLE)).left_out[1:] == ("the hidden sheet 字典", "the hidden sheet Sheet3")
    assert read_sheet(workbook_of(CONSOLE[3:])).left_out[0] == "the hidden sheet 字典"


def test_the_text_of_what_is_left_out_is_known_for_an_erasure() -> None:
    left_out = read_sheet(workbook_of([*CONSOLE, [PHONE, "DELIVRD", "x", PHONE]])).text_left_out

    assert all(word in left_out for word in ("状态报告导出", "20261120120000", "code", PHONE))


def test_a_workbook_without_a_visible_row_is_refused() -> None:
    with pytest.raises(UnreadableExport, match="no visible sheet"):
        read_sheet(workbook_of([[" "]]))


def test_headings_that_nobody_knows_are_those_of_the_first_row_with_several() -> None:
    assert sheet_of(f"导出\na;b,c;d\n{PHONE};x;y\n").columns == ["a", "b,c", "d"]
    assert sheet_of(f"名单\n{PHONE}\n").columns == ["名单"]


def test_a_column_of_phones_alone_has_its_heading_in_the_first_row() -> None:
    sheet = sheet_of(f"手机号\n12\nx,y\n{PHONE}\n")

    assert (sheet.columns, sheet.row_count, sheet.left_out) == (["手机号"], 3, ())


def test_rows_above_the_headings_that_hold_a_phone_are_no_titles() -> None:
    with pytest.raises(UnreadableExport, match="data instead of headings"):
        sheet_of(f"{PHONE},DELIVRD\n手机号,状态码\n{PHONE},DELIVRD\n")


def test_a_title_that_holds_a_phone_is_a_title_and_a_phone_alone_is_a_row() -> None:
    title = f"如有疑问请致电{PHONE}"

    assert sheet_of(f"{title}\n手机号,状态码\n{PHONE},DELIVRD\n").left_out == ("1 row above the headings",)
    assert sheet_of(f"{title}\nphone\n{PHONE}\n").columns == ["phone"]
    for rows in (f"{PHONE}\nphone\n{PHONE}\n", f"{title}\n{PHONE},DELIVRD\n", f"张三,{PHONE}\nname,phone\n"):
        with pytest.raises(UnreadableExport, match="data instead of headings"):
            sheet_of(rows)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_line_that_tells_excel_the_delimiter_is_no_row(delimiter: str) -> None:
    sheet = sheet_of(f"sep={delimiter}\r\na,;\tb{delimiter}c\n1{delimiter}2\n", "utf-8-sig")

    assert [*sheet.row_numbers] == [3]
    assert sheet.left_out == ()


def zipped(name: str) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, f"phone\n{PHONE}\n")
    return file.getvalue()


WRAPPED = {
    "a_password": (b"\xd0\xcf\x11\xe0" + bytes(508) + "EncryptedPackage".encode("utf-16-le"), "password"),
    "a_zip": (zipped("export.xlsx"), "unpack"),
    "a_gzip": (gzip.compress(b"phone\n"), "unpack"),
    "a_rar": (b"Rar!\x1a\x07\x00", "unpack"),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_what_is_around_a_table_is_named_with_the_step_that_works(name: str) -> None:
    body, step = WRAPPED[name]

    with pytest.raises(UnreadableExport, match=step):
        read_sheet(body)


def test_numbers_of_a_parquet_file_are_texts_of_whole_numbers() -> None:
    file = BytesIO()
    pl.DataFrame({"a": [13800138000, None], "b": [13800138000.0, None], "c": [[1], [2]]}).write_parquet(file)

    assert read_sheet(file.getvalue()).frame.rows(named=True) == [{"a": PHONE, "b": PHONE}, {"a": None, "b": None}]


BROKEN = {
    "more_cells_than_headings": b"a\n13800138000,2\n13800138000,2\n",
    "nothing": b"",
    "blanks": b"\n\n  \n",
    "no_headings": b"13800138000,DELIVRD\n",
    "a_spaced_phone_for_a_heading": b"138-0013-8000,DELIVRD\n",
    "a_page": b"\n<html><table>",
    "zeros": b"a,b\n\x00,1\n",
    "another_charset": b"\xff,\x81\n",
    "a_zip": b"PK\x03\x04junk",
    "an_old_document": b"\xd0\xcf\x11\xe0junk",
    "parquet": b"PAR1junk",
    "a_huge_cell": b'a,b\n"' + b"x" * 200_000,
}


@pytest.mark.parametrize("name", BROKEN)
def test_bytes_that_are_not_a_table_are_refused_and_not_quoted(name: str) -> None:
    with pytest.raises(UnreadableExport) as raised:
        read_sheet(BROKEN[name])

    assert raised.value.__cause__ is None
    assert not any(word in str(raised.value) for word in (PHONE, "junk", "xx"))


# Values as the gateway writes them

TIMES = {
    "2026-11-09 08:00:05": "2026-11-09 08:00:05",
    "2026/1/9 8:05": "2026-01-09 08:05:00",
    "2026-11-09T08:00:05+08:00": "2026-11-09 08:00:05",
    "2026年11月9日 8时5分3秒": "2026-11-09 08:05:03",
    "20261109080005": "2026-11-09 08:00:05",
    "2026-11-09": None,
    "2026-11-09T00:00:05Z": None,
    "昨天": None,
}
CODES = {
    "DELIVRD": "DELIVRD",
    "0": "0",
    "MK:0001": "MK:0001",
    "成功": "DELIVRD",
    "送達": "DELIVRD",
    "Delivered": "DELIVRD",
    "失败": "失败",
    "发送成功": None,
    "待返回": None,
    "2:10": "2:10",
    "02:10": "2:10",
    "2:01": "2:1",
    "2:1": "2:1",
    "02:10:00": "2:10",
    "2:10:00 AM": "2:10",
    "02:01:00.000": "2:1",
    "1899-12-31 02:10:00": "2:10",
    "1899-12-31 02:01:00": "2:1",
    "1900-01-00 02:05:00": "2:5",
    "2:07": "2:7",
    "2:1234": "2:1234",
    "YF:01": "YF:01",
    "2026-11-09 02:10:00": None,
}


def as_reports(**columns: list[str]) -> pl.DataFrame:
    frame = pl.DataFrame(columns)
    return reports_of(frame, {name: name for name in frame.columns})


def test_times_are_written_as_the_gateway_does() -> None:
    assert as_reports(phone=[*TIMES], code=[*TIMES], stat_time=[*TIMES])["stat_time"].to_list() == [*TIMES.values()]


def test_a_word_for_delivered_becomes_the_code_and_an_ambiguous_one_null() -> None:
    assert as_reports(phone=[*CODES], code=[*CODES], stat_time=[*CODES])["code"].to_list() == [*CODES.values()]


@given(st.sampled_from(sorted(code for code in KNOWN if code.startswith("2:"))), st.data())
def test_a_known_code_comes_back_from_every_form_of_a_time(code: str, data: st.DataObject) -> None:
    hour, minutes = map(int, code.split(":"))
    forms = ["{0}:{1:02}", "{0:02}:{1:02}", "{0:02}:{1:02}:00", "{0}:{1:02}:00", "1899-12-31 {0:02}:{1:02}:00"]
    forms += ["{2:.9f}", "{2!r}"]
    value = data.draw(st.sampled_from(forms)).format(hour, minutes, (hour * 60 + minutes) / 1440)

    assert as_reports(phone=["x"], code=[value], stat_time=["x"])["code"].to_list() == [code]


def test_a_column_of_codes_as_times_is_known_by_its_values() -> None:
    values = (PHONE, "1899-12-31 02:10:00", "2026-11-09 08:00:00")

    assert guessed("reports", "A,B,C", *values) == {"phone": "A", "code": "B", "stat_time": "C"}


def test_excel_gives_codes_back_that_it_took_for_times() -> None:
    file = BytesIO()
    with xlsxwriter.Workbook(file) as book:
        page = book.add_worksheet()
        page.write_row(0, 0, ["手机号", "状态码", "时间"])
        for number, form in enumerate(["h:mm", "[h]:mm", "h:mm:ss", "hh:mm AM/PM"], 1):
            page.write_row(number, 0, [PHONE, None, "2026-11-09 08:00:00"])
            page.write_number(number, 1, (2 * 60 + 10) / 1440, book.add_format({"num_format": form}))
    sheet = read_sheet(file.getvalue())

    reports = reports_of(sheet.frame, {each.field: each.heading for each in map_columns("reports", sheet.frame)})

    assert reports["code"].to_list() == ["2:10"] * 4


def test_a_failure_without_a_time_takes_that_of_the_sending_else_of_the_import_and_says_so() -> None:
    rows = {
        "phone": [PHONE] * 6,
        "code": ["MK:0001", "MK:0001", "MK:0001", "DELIVRD", "MK:0001", "待返回"],
        "stat_time": [None, "--", "2026-11-09 08:00:00", None, "昨天", None],
        "sent_at": ["2026/11/8 7:00", None, "2026-11-08 07:00:00", "2026-11-08 07:00:00", None, None],
    }
    frame = pl.DataFrame(rows)
    at = datetime(2026, 11, 22, 1, tzinfo=UTC)

    timed = with_borrowed_times(reports_of(frame, {name: name for name in rows}), at)

    assert timed["stat_time"].to_list() == [
        "2026-11-08 07:00:00",
        "2026-11-22 09:00:00",
        "2026-11-09 08:00:00",
        None,
        None,
        None,
    ]
    assert timed["extra"].to_list() == [
        '{"stat_time_from":"sent_at"}',
        '{"stat_time_from":"imported_at"}',
        *[None] * 4,
    ]


# Phones in several columns


def test_of_several_columns_headed_alike_the_one_whose_values_fit_is_taken() -> None:
    landlines = "021-55551234|13900000002|021-55551235"

    assert guessed("replies", "name,phone,mobile,text", "A|B|C", landlines, "|".join([PHONE] * 3), "x|y|z") == {
        "phone": "mobile",
        "content": "text",
    }
    assert guessed("replies", "phone,mobile,text", PHONE, PHONE, "x")["phone"] == "phone"


def test_all_columns_that_hold_phones_are_known() -> None:
    columns = {
        "name": ["A", "B", PHONE],
        "phone": ["021-55551234", PHONE, None],
        "mobile": [PHONE, PHONE, PHONE],
        "tel": ["021-55551234", None, None],
        "second": [PHONE, None, None],
        "接入号": [PHONE, PHONE, PHONE],
        "batch": [PHONE, PHONE, PHONE],
    }

    assert phone_columns(pl.DataFrame(columns)) == ["phone", "mobile", "second"]
    assert phone_columns(pl.DataFrame({"a": ["x"]})) == phone_columns(pl.DataFrame()) == []


def test_dashes_alone_are_an_empty_cell() -> None:
    row = as_reports(phone=[PHONE], code=["0"], stat_time=["x"], mission_num=["--"]).row(0, named=True)

    assert (row["mission_num"], row["batch_num"]) == (None, None)


def test_a_reply_with_a_time_that_can_not_be_read_is_not_one_without_a_time() -> None:
    frame = pl.DataFrame({"p": [PHONE, PHONE], "c": ["T", "T"], "t": ["昨天", None]})

    assert replies_of(frame, {"phone": "p", "content": "c", "replied_at": "t"})["mo_time"].to_list() == ["昨天", None]

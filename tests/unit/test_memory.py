"""A small file that takes far more memory than it is large is refused in a child process; others need none."""

import io
import resource
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
import xlsxwriter
from pyarrow.parquet import write_table

from pipelines.tabular import memory, parquet, sheet
from pipelines.tabular.memory import is_expected_workbook
from pipelines.tabular.parquet import UnreadableParquet, read_parquet
from pipelines.tabular.sheet import UnreadableExport, read_sheet
from tests.support.places import Place

ROWS = 300
TOO_MUCH = "takes more than 2 GB of memory"


def workbook(*, last_cell: tuple[int, int] | None = None) -> bytes:
    """Rows of phones; with a last cell far away, which makes the grid of cells large and the file no larger."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        page = book.add_worksheet()
        for number, cells in enumerate([["phone", "code"], *[["13800138000", "DELIVRD"]] * ROWS]):
            page.write_row(number, 0, cells)
        if last_cell:
            page.write_string(*last_cell, "x")
    return file.getvalue()


def changed(body: bytes, part: str, old: bytes, new: bytes) -> bytes:
    """A workbook with one of its parts changed."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as source, zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            content = source.read(name)
            assert name != part or old in content
            target.writestr(name, content.replace(old, new) if name == part else content)
    return written.getvalue()


def empty_cells(rows: int, columns: int) -> bytes:
    """Parquet of texts that are all missing, which takes 16 bytes each."""
    file = io.BytesIO()
    texts = pa.nulls(rows, pa.string())
    write_table(pa.table({f"c{number}": texts for number in range(columns)}), file)
    return file.getvalue()


def repeated_text(rows: int, length: int) -> bytes:
    """Parquet with a text that is stored once."""
    file = io.BytesIO()
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * length]))
    write_table(pa.table({"phone": texts}), file, store_schema=False)
    return file.getvalue()


def constant(rows: int) -> bytes:
    """Parquet with one phone that is stored once, and its number of rows."""
    file = io.BytesIO()
    pl.DataFrame({"phone": pl.repeat("13800138000", rows, eager=True)}).write_parquet(file, compression="zstd")
    return file.getvalue()


def with_unpacked_size(body: bytes, part: str, size: int) -> bytes:
    """A workbook whose directory claims another size of a part."""
    info = zipfile.ZipFile(io.BytesIO(body)).getinfo(part)
    return body.replace(info.file_size.to_bytes(4, "little"), size.to_bytes(4, "little"))


SHEET, TEXTS = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"
LARGE: dict[str, Callable[[], bytes]] = {  # made by the test, since each process collects all of them
    "a cell far away": lambda: workbook(last_cell=(1_048_575, 16_383)),
    "cells without a place": lambda: changed(workbook(), SHEET, b'<c r="B2"', b"<c"),
    "a place in second position": lambda: changed(workbook(), SHEET, b'<c r="B2" t="s"', b'<c t="s" r="XFD1048576"'),
    "a long text in many cells": lambda: changed(workbook(), TEXTS, b"DELIVRD", b"x" * 2**20),
    "much unpacked": lambda: changed(workbook(), TEXTS, b"DELIVRD", b"x" * 2**28),
    "another kind": lambda: changed(workbook(), SHEET, b"x", b"x").replace(b"xl/workbook.xml", b"xl/workbook.bin"),
}


@pytest.mark.parametrize("what", LARGE)
def test_a_workbook_that_may_take_much_memory_is_not_read_at_once(what: str) -> None:
    body = LARGE[what]()

    assert len(body) < 300_000
    assert not is_expected_workbook(body)


def test_a_size_that_the_directory_claims_is_not_believed() -> None:
    packed = changed(workbook(), TEXTS, b"DELIVRD", b"x" * 2**28)

    assert not is_expected_workbook(with_unpacked_size(packed, TEXTS, 1000))


def test_ordinary_files_start_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (parquet, sheet):
        monkeypatch.setattr(module, "try_reading", pytest.fail)

    assert read_sheet(workbook()).row_count == ROWS
    assert read_parquet(constant(1_000_000)).height == 1_000_000
    assert read_sheet(constant(1000)).row_count == 1000


def test_files_that_take_gigabytes_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "far.xlsx").write_bytes(LARGE["a cell far away"]())
    (tmp_path / "rows.parquet").write_bytes(empty_cells(10_000_000, 24))
    place = Place(tmp_path, {"SMSRECON_GATEWAY__APP_KEY": "key", "SMSRECON_GATEWAY__APP_SECRET": "secret"})

    place.run("import-reports far.xlsx").fails(10, "far.xlsx: it ", TOO_MUCH)
    place.run("submit rows.parquet --campaign c --content 【公司】您好 --dry-run").fails(10, "rows.parquet: ", TOO_MUCH)


def test_what_a_child_finds_wrong_is_what_the_error_says(tmp_path: Path) -> None:
    with pytest.raises(UnreadableExport, match="it is an incomplete or damaged Excel file"):
        read_sheet(changed(workbook(), SHEET, b'<c r="B2"', b"<c")[:-100])


def test_a_file_that_is_larger_than_expected_and_fits_is_read_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_EXPECTED_BYTES", 0)
    monkeypatch.setattr(memory, "_EXPECTED_RATIO", 0)

    assert read_parquet(constant(1000)).height == 1000
    assert read_sheet(workbook()).row_count == ROWS


def test_a_file_of_the_current_folder_is_no_module_of_the_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "polars.py").write_text("import os; os._exit(9)")
    monkeypatch.chdir(tmp_path)

    memory.try_reading("parquet", constant(1000))


@pytest.mark.deep  # it fills 2 GB
def test_a_text_that_is_repeated_without_end_does_not_fill_the_memory_of_this_process() -> None:
    body = repeated_text(100_000, 500_000)
    assert len(body) < 100_000

    with pytest.raises(UnreadableParquet, match=TOO_MUCH):
        read_parquet(body)
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY


def test_pages_larger_than_the_footer_claims_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    monkeypatch.setattr(parquet, "_BYTES_OF_VALUE", 0)  # so that the footer claims little
    monkeypatch.setattr(parquet, "try_reading", lambda reader, _: tried.append(reader))

    read_parquet(constant(20_000_000))

    assert tried == ["parquet"]

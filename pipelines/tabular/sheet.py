"""Exports read as tables of text: CSV, Excel or Parquet, in any of their encodings.

The meaning of columns is found in mapping.py. The same bytes always give the same table, so that a landed file can be
read again.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Final

import fastexcel
import polars as pl

from pipelines.gateway.document import json_text
from pipelines.phones import has_phone
from pipelines.tabular.parquet import UnreadableParquet, read_parquet
from pipelines.times import CHINA, TIME_FORMAT

_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0"
_DELIMITERS: Final = (",", ";", "\t")
_SEVEN_DIGITS: Final = re.compile("[0-9]{7}")  # part of a phone, a time or a number of a message, so no heading

Row = Sequence[str | None]


class UnreadableExport(ValueError):
    """The bytes can't be read as a table with headings. The message says why and quotes nothing of them."""


@dataclass(frozen=True)
class Sheet:
    """The rows of an export: one text column for each heading, with unique names; empty cells are null.

    A row with more cells than headings can't be assigned to columns: it is null in all of them, and `overlong_rows` has
    its cells as JSON, by row number.
    """

    frame: pl.DataFrame = field(repr=False)
    overlong_rows: dict[int, str] = field(repr=False)

    @property
    def columns(self) -> list[str]:
        return self.frame.columns

    @property
    def row_count(self) -> int:
        return self.frame.height

    def raw(self, position: int) -> str:
        """The JSON text of one row, its empty cells left out."""
        if position in self.overlong_rows:
            return self.overlong_rows[position]
        row = self.frame.row(position, named=True)
        return json_text({heading: value for heading, value in row.items() if value is not None})


def read_sheet(body: bytes) -> Sheet:
    """Read a table from CSV (UTF-8, UTF-16 or GBK; comma, semicolon or tab), Excel or Parquet."""
    if body.startswith(b"PAR1"):
        return _sheet_of_parquet(body)
    if body.startswith((_ZIP, _OLE)):
        return _sheet_of(_excel_rows(body))
    return _sheet_of(_csv_rows(_decoded(body)))


# ── Rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _csv_rows(text: str) -> list[Row]:
    head = re.sub('"[^"]*"', "", text.lstrip().split("\n", 1)[0])
    delimiter = max(_DELIMITERS, key=head.count)
    try:
        return list(csv.reader(StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error:
        raise UnreadableExport("a quote is never closed, so rows can't be separated; export it again") from None


def _decoded(body: bytes) -> str:
    charsets = ("utf-16",) if body.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8-sig", "gb18030")
    for charset in charsets:
        try:
            text = body.decode(charset)
        except UnicodeDecodeError:
            continue
        if text.lstrip().startswith("<"):
            raise UnreadableExport("it is an HTML page; open it and save it as .xlsx or CSV")
        if "\0" not in text:
            return text
    raise UnreadableExport("it is neither CSV in UTF-8 or GBK, nor Excel, nor Parquet; export it as one of these")


def _excel_rows(body: bytes) -> list[Row]:
    """The rows of all sheets; those after the first must have its headings."""
    try:
        workbook = fastexcel.read_excel(body)
        sheets = [workbook.load_sheet(name, header_row=None, dtypes="string") for name in workbook.sheet_names]
        tables = [sheet.to_polars().rows() for sheet in sheets if sheet.height]
    except fastexcel.FastExcelError:
        raise UnreadableExport("it is an incomplete or damaged Excel file; export it again") from None
    rows = tables[0] if tables else []
    for more in tables[1:]:
        if more[0] != rows[0]:
            raise UnreadableExport("its sheets have different headings; keep one sheet a file")
        rows += more[1:]
    return list(rows)


def _sheet_of(rows: Iterable[Row]) -> Sheet:
    """A sheet from rows; the first row that is not empty has the headings."""
    filled = (trimmed for row in rows if (trimmed := _without_blank_end(row)))
    headings = _headings(next(filled, ()))
    width = len(headings)
    fitting: list[Row] = []
    overlong_rows: dict[int, str] = {}
    for position, row in enumerate(filled):
        if len(row) > width:
            overlong_rows[position] = json_text([*row])
            row = ()  # noqa: PLW2901
        fitting.append((*row, *[None] * (width - len(row))))
    frame = pl.DataFrame(fitting, schema=dict.fromkeys(headings, pl.String), orient="row")
    return Sheet(_trimmed(frame), overlong_rows)


def _without_blank_end(row: Row) -> Row:
    end = len(row)
    while end and not (row[end - 1] or "").strip():
        end -= 1
    return row[:end]


# ── Parquet ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _sheet_of_parquet(body: bytes) -> Sheet:
    try:
        frame = read_parquet(body)
    except UnreadableParquet as error:
        raise UnreadableExport(str(error)) from None
    frame = frame.select(name for name, dtype in frame.schema.items() if _is_cell(dtype))
    frame.columns = _headings(frame.columns)
    return Sheet(_trimmed(frame.select(_as_text(column) for column in frame.iter_columns())), {})


def _is_cell(dtype: pl.DataType) -> bool:
    """True for types that a cell of a sheet can hold, so not for lists, structs, bytes and the like."""
    is_number = dtype.is_numeric() or dtype == pl.Boolean
    return is_number or isinstance(
        dtype, pl.String | pl.Categorical | pl.Enum | pl.Date | pl.Datetime | pl.Time | pl.Null
    )


def _as_text(column: pl.Series) -> pl.Series:
    """A column as text: instants in China's time, and whole numbers without .0 even if they are floats."""
    if isinstance(column.dtype, pl.Datetime):
        local = column.dt.convert_time_zone(CHINA.key) if column.dtype.time_zone else column
        return local.dt.strftime(TIME_FORMAT)
    text = column.cast(pl.String)
    return text.str.strip_suffix(".0") if column.dtype.is_float() else text


# ── Headings and cells ────────────────────────────────────────────────────────────────────────────────────────────────


def _headings(row: Row) -> list[str]:
    """Unique names for the columns: empty and repeated headings get a number."""
    if not row:
        raise UnreadableExport("it is empty; export again")
    names = [(heading or "").strip() or f"column {number}" for number, heading in enumerate(row, 1)]
    if any(_SEVEN_DIGITS.search(name) or has_phone(name) for name in names):
        raise UnreadableExport("its first row holds data instead of headings; add a row that names the columns")
    seen: Counter[str] = Counter()
    for place, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            names[place] = f"{name} ({seen[name]})"
    if len(set(names)) < len(names):
        raise UnreadableExport("two of its columns have the same heading; rename one")
    return names


def _trimmed(frame: pl.DataFrame) -> pl.DataFrame:
    """Cells without the marks that make Excel keep digits as text: ="138…", '138…, a leading tab."""
    text = pl.all().str.strip_chars().str.replace(r'^="(.*)"$', "$1").str.strip_prefix("'").str.strip_chars()
    return frame.with_columns(text).with_columns(pl.when(pl.all() != "").then(pl.all()))

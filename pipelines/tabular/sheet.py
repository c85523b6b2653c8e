"""Exports read as tables of text: CSV, Excel or Parquet, in any of their encodings.

The meaning of columns is found in mapping.py. The same bytes always give the same table, so that a landed file can be
read again.
"""

import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from itertools import islice, takewhile
from types import MappingProxyType
from typing import Final, NamedTuple, Self

import fastexcel
import polars as pl

from pipelines.gateway.document import json_text
from pipelines.phones import has_phone, mask_numbers_in_text
from pipelines.tabular.charset import UnknownCharset, text_of
from pipelines.tabular.csv_rows import DELIMITERS, Record, StrayQuote, filled, records
from pipelines.tabular.mapping import is_known_heading, is_phone_heading
from pipelines.tabular.memory import TooMuchMemory, is_expected_workbook, try_reading
from pipelines.tabular.numbers import InexactNumbers, numbers_as_text
from pipelines.tabular.parquet import UnreadableParquet, read_parquet
from pipelines.times import CHINA, TIME_FORMAT

_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0"
_ARCHIVES: Final = (b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf\x27\x1c")
_PARTS_OF_WORKBOOKS: Final = ("xl/", "content.xml")  # of .xlsx and .xlsb, and of .ods
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")  # the part of an OLE file that holds the workbook
_UNPACK: Final = "it is an archive; unpack it and give the file that is in it"
_SEVEN_DIGITS: Final = re.compile("[0-9]{7}")  # part of a phone, a time or a number of a message, so no heading
_LETTER: Final = re.compile(r"[^\W\d_]")
_HEAD_ROWS: Final = 20  # in which the headings are looked for
_SEP_LINE: Final = re.compile(r'"?sep=([,;\t|])"?\r?\n', re.IGNORECASE)  # tells Excel the delimiter

Row = Sequence[str | None]
RowNumber = int | str  # as an editor or Excel shows it, from 1; a text if there are several sheets


class NumberedRow(NamedTuple):
    number: RowNumber
    cells: Row


class UnreadableExport(ValueError):
    """The bytes can't be read as a table with headings. The message says why and quotes nothing of them."""


@dataclass(frozen=True)
class Sheet:
    """The rows of an export: one text column for each heading, with unique names; empty cells are null.

    A row with more cells than headings can't be assigned to columns: it is null in all of them, and `overlong_rows` has
    its cells as JSON, by position. `row_numbers` are those that the file's reader sees; `left_out` says in words what
    else the file holds, and `text_left_out` is the text of it.
    """

    frame: pl.DataFrame = field(repr=False)
    row_numbers: Sequence[RowNumber] = field(repr=False)
    overlong_rows: dict[int, str] = field(default_factory=dict, repr=False)
    left_out: tuple[str, ...] = ()
    text_left_out: str = field(default="", repr=False)
    inexact: dict[str, str] = field(default_factory=dict)  # heading → what is wrong with its numbers

    def refuse_inexact(self, headings: Iterable[str]) -> None:
        """Raises UnreadableExport if one of these columns holds floats too large to be exact."""
        for heading in headings:
            if heading in self.inexact:
                raise UnreadableExport(f"column '{heading}' {self.inexact[heading]}")

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
    """Read a table from CSV (UTF-8, UTF-16, GBK or Big5; comma, semicolon, tab or pipe), Excel or Parquet.

    Titles above the headings and hidden sheets are left out. Raises UnreadableExport.
    """
    if body.startswith(b"PAR1"):
        return _sheet_of_parquet(body)
    if body.startswith((_ZIP, _OLE)):
        try:
            if not is_expected_workbook(body):
                try_reading("sheet", body)
        except TooMuchMemory as error:
            raise UnreadableExport(str(error)) from None
        return _sheet_of_excel(body)
    if body.startswith(_ARCHIVES):
        raise UnreadableExport(_UNPACK)
    return _sheet_of_csv(_decoded(body))


# ── CSV ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _sheet_of_csv(text: str) -> Sheet:
    sep = _SEP_LINE.match(text)
    start, line, delimiters = (sep.end(), 2, (sep[1],)) if sep else (0, 1, DELIMITERS)
    heads = [_CsvHead.of(text, delimiter, start, line) for delimiter in delimiters]
    head = max(heads, key=lambda each: (*_likeness(each.headings.cells), each.width))
    rows = records(text, head.delimiter, start=head.headings.end, line=head.headings.next_line, width=head.width)
    try:
        table = _Table(
            _unique(head.headings.cells[: head.width]),
            [NumberedRow(row.line, row.cells) for row in rows if filled(row.cells)],
            head.rows_above,
        )
    except StrayQuote as error:
        raise UnreadableExport(str(error)) from None
    return _sheet_of([table])


class _CsvHead(NamedTuple):
    """The headings of CSV if it has this delimiter."""

    delimiter: str
    headings: Record
    rows_above: list[Row]

    @classmethod
    def of(cls, text: str, delimiter: str, start: int, line: int) -> Self:
        rows = (row for row in records(text, delimiter, start=start, line=line) if filled(row.cells))
        head = [*islice(rows, _HEAD_ROWS)]
        place = _place_of_headings([row.cells for row in head])
        return cls(delimiter, head[place], [row.cells for row in head[:place]])

    @property
    def width(self) -> int:
        return filled(self.headings.cells)


def _decoded(body: bytes) -> str:
    try:
        text = text_of(body)
    except UnknownCharset:
        raise UnreadableExport(
            "it is neither CSV in UTF-8, UTF-16, GBK or Big5, nor Excel, nor Parquet; export it as one of these"
        ) from None
    if text.lstrip().startswith("<"):
        raise UnreadableExport("it is an HTML page; open it and save it as .xlsx or CSV")
    return text


# ── Excel ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _sheet_of_excel(body: bytes) -> Sheet:
    """The rows of all visible sheets; those after the first must have its headings."""
    try:
        workbook = fastexcel.read_excel(body)
        sheets = [
            workbook.load_sheet(name, header_row=None, skip_rows=0, dtypes="string") for name in workbook.sheet_names
        ]
        rows_of = {sheet.name: sheet.to_polars().rows() if sheet.height else [] for sheet in sheets}
    except fastexcel.FastExcelError as error:
        raise UnreadableExport(_fault_of_workbook(body, str(error))) from None
    tables = {
        number: _table_of(rows_of[sheet.name])
        for number, sheet in enumerate(sheets, 1)
        if sheet.visible == "visible" and any(map(filled, rows_of[sheet.name]))
    }
    if not tables:
        raise UnreadableExport("it has no visible sheet with rows; export again")
    (first, table), *others = tables.items()
    if other := next((number for number, each in others if each.headings != table.headings), None):
        raise UnreadableExport(
            f"its sheets {first} and {other} have different headings; keep one sheet a file, or hide the others"
        )
    hidden = {
        f"the hidden sheet {mask_numbers_in_text(sheet.name)}": rows_of[sheet.name]
        for sheet in sheets
        if sheet.visible != "visible"
    }
    if others:
        tables = {number: each.in_sheet(number) for number, each in tables.items()}
    return _sheet_of([*tables.values()], hidden)


def _fault_of_workbook(body: bytes, error: str) -> str:
    """The fault of a file that has the first bytes of a workbook and can't be read as one, and the next step."""
    if "password" in error.lower() or _ENCRYPTED in body:
        return "it is protected by a password; open it in Excel, take the password away (File, Info) and save it"
    try:
        names = zipfile.ZipFile(BytesIO(body)).namelist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError):
        names = []
    if names and not any(name.startswith(_PARTS_OF_WORKBOOKS) for name in names):
        return _UNPACK
    return "it is an incomplete or damaged Excel file; export it again"


# ── Tables ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Table(NamedTuple):
    """Headings with unique names, and the rows below and above them that are not blank."""

    headings: list[str]
    rows: list[NumberedRow]
    rows_above: list[Row]

    def in_sheet(self, sheet: int) -> Self:
        rows = [NumberedRow(f"{row.number} of sheet {sheet}", row.cells) for row in self.rows]
        return self._replace(rows=rows)


def _table_of(rows: Iterable[Row]) -> _Table:
    numbered = [NumberedRow(number, row) for number, row in enumerate(rows, 1) if filled(row)]
    place = _place_of_headings([row.cells for row in numbered[:_HEAD_ROWS]])
    headings = numbered[place].cells
    above = [row.cells for row in numbered[:place]]
    return _Table(_unique(headings[: filled(headings)]), numbered[place + 1 :], above)


def _place_of_headings(rows: Sequence[Row]) -> int:
    """The place of the headings among the first rows: what is most like them before the first row with a phone.

    Exports begin with titles, conditions, or the time of the export. Raises UnreadableExport.
    """
    if not rows:
        raise UnreadableExport("it is empty; export again")
    above_data = [*takewhile(lambda row: _is_title(row) or not any(has_phone(cell or "") for cell in row), rows)]
    return max(range(len(above_data)), key=lambda place: _likeness(above_data[place]), default=0)


def _is_title(row: Row) -> bool:
    """True for a single cell of words, which may hold a phone for questions."""
    cells = [cell for cell in row if cell and cell.strip()]
    return len(cells) == 1 and _LETTER.search(cells[0]) is not None


def _likeness(row: Row) -> tuple[int, bool]:
    """How much a row is like headings: how many are known, and that there are several."""
    cells = [cell for cell in row if cell and cell.strip()]
    if any(_SEVEN_DIGITS.search(cell) for cell in cells):
        return (0, False)
    if len(cells) == 1:
        return (int(is_phone_heading(cells[0])), False)
    return (sum(map(is_known_heading, cells)), True)


def _unique(row: Row) -> list[str]:
    """Unique names for the columns: empty and repeated headings get a number. Raises UnreadableExport."""
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


def _sheet_of(tables: Sequence[_Table], left_out: Mapping[str, Sequence[Row]] = MappingProxyType({})) -> Sheet:
    """A sheet from tables with the same headings; `left_out` are other rows of the file."""
    headings, *_ = tables[0]
    width = len(headings)
    rows = [row for table in tables for row in table.rows]
    fitting: list[Row] = []
    overlong_rows: dict[int, str] = {}
    for position, (_, cells) in enumerate(rows):
        count = filled(cells)
        if count > width:
            overlong_rows[position] = json_text([*cells[:count]])
        cells = () if count > width else cells[:width]  # noqa: PLW2901
        fitting.append((*cells, *[None] * (width - len(cells))))
    if rows and len(overlong_rows) == len(rows):
        raise UnreadableExport("all its rows have more cells than the headings; name every column")
    frame = pl.DataFrame(fitting, schema=dict.fromkeys(headings, pl.String), orient="row")
    above = [row for table in tables for row in table.rows_above]
    titles = [f"{len(above)} row{'s' * (len(above) > 1)} above the headings"] if above else []
    texts_left_out = [cell for part in (above, *left_out.values()) for row in part for cell in row if cell]
    return Sheet(
        _trimmed(frame),
        [row.number for row in rows],
        overlong_rows,
        (*titles, *left_out),
        "\n".join([*texts_left_out, *overlong_rows.values()]),
    )


# ── Parquet ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _sheet_of_parquet(body: bytes) -> Sheet:
    try:
        frame = read_parquet(body, reader="sheet")
    except UnreadableParquet as error:
        raise UnreadableExport(str(error)) from None
    frame = frame.select(name for name, dtype in frame.schema.items() if _is_cell(dtype))
    if not frame.columns:
        raise UnreadableExport("it is empty; export again")
    frame.columns = _unique(frame.columns)
    inexact: dict[str, str] = {}
    texts = frame.select(_as_text(column, inexact) for column in frame.iter_columns())
    return Sheet(_trimmed(texts), range(1, frame.height + 1), inexact=inexact)


def _is_cell(dtype: pl.DataType) -> bool:
    """True for types that a cell of a sheet can hold, so not for lists, structs, bytes and the like."""
    is_number = dtype.is_numeric() or dtype == pl.Boolean
    return is_number or isinstance(
        dtype, pl.String | pl.Categorical | pl.Enum | pl.Date | pl.Datetime | pl.Time | pl.Null
    )


def _as_text(column: pl.Series, inexact: dict[str, str]) -> pl.Series:
    """A column as text: instants in China's time, whole numbers without .0; numbers that are inexact are noted."""
    if isinstance(column.dtype, pl.Datetime):
        local = column.dt.convert_time_zone(CHINA.key) if column.dtype.time_zone else column
        return local.dt.strftime(TIME_FORMAT)
    if not column.dtype.is_numeric():
        return column.cast(pl.String)
    try:
        return numbers_as_text(column)
    except InexactNumbers as error:
        inexact[column.name] = str(error)
        return column.cast(pl.String)


def _trimmed(frame: pl.DataFrame) -> pl.DataFrame:
    """Cells without the marks that make Excel keep digits as text, and numbers and times without a stray quote.

    The marks are ="138…", '138…, and a leading tab.
    """
    text = pl.all().str.strip_chars().str.replace(r'^="(.*)"$', "$1").str.strip_prefix("'").str.strip_chars()
    text = text.str.replace(r'^"?([0-9][0-9:/. T+-]{4,})"?$', "$1")
    return frame.with_columns(text).with_columns(pl.when(pl.all() != "").then(pl.all()))

"""The records of CSV whose quotes may be wrong, so that a stray quote never swallows a row.

Readers of CSV go on to the next quote, however many rows later. Here a quoted reading is believed only if it is a
consistent one; else the line is read alone, with its quotes as plain characters; else the file is refused.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from pipelines.phones import has_phone

DELIMITERS: Final = (",", ";", "\t", "|")

_LINE: Final = re.compile(r"([^\r\n]*)(?:\r\n|\n|\r|\Z)")
_QUOTED_CELL: Final = {
    delimiter: re.compile(rf'"([^"]*+(?:""[^"]*+)*+)"(?:({re.escape(delimiter)})|\r\n|\n|\r|\Z)')
    for delimiter in DELIMITERS
}
_PLAIN_CELL: Final = {
    delimiter: re.compile(rf"([^{delimiter}\r\n]*)(?:({re.escape(delimiter)})|\r\n|\n|\r|\Z)")
    for delimiter in DELIMITERS
}
_NUMBER: Final = re.compile(r"(?![0-9]{4}-[0-9]{1,2}-)\+?[0-9]{2,}(?:[ ()-]*[0-9]){3,}")  # such as a phone; no date


class StrayQuote(ValueError):
    """A line has a quote that begins or ends nothing, and the line can't be read without it either."""

    def __init__(self, line: int) -> None:
        self.line = line
        super().__init__(f"line {line} has a quote that begins or ends nothing; remove it, or double it within a text")


class _Quoted(NamedTuple):
    """The cells of a record and its end; a loose quote is one in a cell that isn't quoted."""

    cells: Sequence[str]
    end: int
    has_loose_quote: bool


class Record(NamedTuple):
    """The number of a record's first line, its cells, and where the next record begins: offset and number of line."""

    line: int
    cells: Sequence[str]
    end: int
    next_line: int


def records(text: str, delimiter: str, *, start: int = 0, line: int = 1, width: int | None = None) -> Iterator[Record]:
    """The records from the offset `start`, which is in line number `line`.

    `width` is the number of headings; without it, as in the rows above the headings, no record is refused. Raises
    StrayQuote.
    """
    for this in _LINE.finditer(text, start):
        if start <= this.start() < len(text):  # else it is a line of the record before, or the empty match at the end
            record = _record(text, this, delimiter, line, width)
            yield record
            start, line = record.end, record.next_line


def filled(cells: Sequence[str | None]) -> int:
    """The number of cells up to the last that isn't blank."""
    count = len(cells)
    while count and not ((cell := cells[count - 1]) and cell.strip()):
        count -= 1
    return count


def _record(text: str, this: re.Match[str], delimiter: str, line: int, width: int | None) -> Record:
    alone = this[1].split(delimiter)
    if '"' not in this[1]:
        return Record(line, alone, this.end(), line + 1)
    if (quoted := _quoted(text, delimiter, this.start())) is not None:
        lines = [alone]
        if quoted.end > this.end():
            more = _LINE.finditer(text, this.end(), quoted.end)
            lines += [each[1].split(delimiter) for each in more if each.start() < quoted.end]
        if _is_consistent(quoted, lines, width):
            return Record(line, quoted.cells, quoted.end, line + len(lines))
    if not _fills(alone, width):
        raise StrayQuote(line)
    return Record(line, [_without_quotes(cell) for cell in alone], this.end(), line + 1)


def _is_consistent(quoted: _Quoted, lines: Sequence[Sequence[str]], width: int | None) -> bool:
    """True if a quoted reading is the likelier one; `lines` are the cells of each of its lines, read alone."""
    if len(lines) > 1:
        fits = len(lines[0]) <= len(quoted.cells) if width is None else filled(quoted.cells) <= width
        return fits and not quoted.has_loose_quote and not _swallows_rows(lines, width)
    return _fills(quoted.cells, width) or not (_fills(lines[0], width) or quoted.has_loose_quote)


def _quoted(text: str, delimiter: str, start: int) -> _Quoted | None:
    """The record as quotes make it; None if a quoted cell goes on after its closing quote, or has none."""
    cells: list[str] = []
    has_loose_quote = False
    while True:
        is_quoted = text.startswith('"', start)
        found = (_QUOTED_CELL if is_quoted else _PLAIN_CELL)[delimiter].match(text, start)
        if found is None:
            return None
        cells.append(found[1].replace('""', '"') if is_quoted else found[1])
        has_loose_quote |= not is_quoted and '"' in found[1]
        start = found.end()
        if found[2] is None:
            return _Quoted(cells, start, has_loose_quote)


def _fills(cells: Sequence[str], width: int | None) -> bool:
    """True for a cell for each heading; blank ones beyond are no cells."""
    return width is None or filled(cells) <= width <= len(cells)


def _swallows_rows(lines: Sequence[Sequence[str]], width: int | None) -> bool:
    """True if a line after the first looks like a row: a cell for each heading, and a number where the first has one.

    Places are counted from both ends, since a text with delimiters moves the cells after it. Above the headings any
    number is one of a row.
    """
    first, *more = lines
    if width is None:
        return any(_is_number(cell) for cells in more for cell in cells)
    places = [place for place, cell in enumerate(first) if _is_number(cell)]
    places += [place - len(first) for place in places]
    rows = [cells for cells in more if len(cells) >= width]
    return any(_is_number(cells[place]) for cells in rows for place in places if -len(cells) <= place < len(cells))


def _is_number(cell: str) -> bool:
    bare = cell.strip(" \t\"'=")
    return _NUMBER.fullmatch(bare) is not None or has_phone(bare)


def _without_quotes(cell: str) -> str:
    return cell.strip().removeprefix('"').removesuffix('"').replace('""', '"') if '"' in cell else cell

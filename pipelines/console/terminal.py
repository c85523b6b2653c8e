"""Terminal output: tables that are readable at 80 columns, without colour and in a pipe, and objects as JSON.

Everything goes to standard output. Nothing here knows what it shows; a campaign's page is in campaign_page.py, the
results of single steps are in results.py.
"""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NoReturn

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from pipelines.errors import UsageError
from pipelines.formatting import count, printable, words
from pipelines.times import CHINA

WIDTH = 80  # of what is not a terminal
MOST_ROWS = 100  # of a table; more is not read but scrolled
NARROWEST = 20  # a column of text that gets less is not worth reading

_NOT_ASCII = re.compile("[^\n -~]")
_WHAT_IS_WRONG = ("problems", "failed_checks", "missing_days")
_PLAIN = {None: "", True: "yes", False: "no"}

Line = Sequence[str | Text]


class _Console(Console):
    """Shows what comes as it stands: no markup, no emoji codes, nothing that could steer a terminal."""

    def __init__(self) -> None:
        super().__init__(markup=False, emoji=False, highlight=False)
        if not self.is_terminal:
            self.width = max(self.width, WIDTH)

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError  # the command line knows what to do; rich would exit with 1


class Grid:
    """Lines in columns, without blanks at their ends. A column whose heading ends in `>` is right-aligned."""

    def __init__(self, headings: Sequence[str], lines: Iterable[Line], *, title: str = "") -> None:
        self._headings, self._lines = headings, [*lines]
        self._table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=any(headings))
        self._title = title
        for heading in headings:
            name = heading.removesuffix(">")
            is_number = name != heading
            self._table.add_column(
                name,
                justify="right" if is_number else "left",
                no_wrap=is_number,
                overflow="fold",
                header_style="not bold dim",
            )
        for line in self._lines:
            self._table.add_row(*(cell if isinstance(cell, Text) else printable(cell) for cell in line))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._title:
            yield Text(self._title, style="bold")
        for line in Segment.split_lines(console.render(self._table, options)):
            while line and not line[-1].text.rstrip():
                line.pop()
            if line:
                line[-1] = Segment(line[-1].text.rstrip(), line[-1].style)
            yield from line
            yield Segment.line()

    def to_markdown(self) -> str:
        """The same as a Markdown table under its title."""
        headings = [heading.removesuffix(">") for heading in self._headings]
        rules = ["---:" if heading.endswith(">") else "---" for heading in self._headings]
        rows = [headings, rules, *([as_markdown(str(cell)) for cell in line] for line in self._lines)]
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        return f"## {self._title}\n\n{table}\n"

    def is_too_wide(self) -> bool:
        """True if columns would become too narrow to read."""
        console = _Console()
        needed = 0
        for column in self._table.columns:
            widest = max((Measurement.get(console, console.options, cell).maximum for cell in column.cells), default=0)
            needed += 2 + (widest if column.no_wrap else min(widest, NARROWEST))
        return needed - 2 > console.width


def as_markdown(text: str) -> str:
    """A text that Markdown shows as it stands, in one line; blanks at its beginning are kept."""
    plain = printable(text)
    indent = len(plain) - len(plain.lstrip())
    return "&nbsp;" * indent + re.sub(r"([\\`*_{}\[\]<>()#|~!&])", r"\\\1", plain.lstrip())


def is_unicode() -> bool:
    """True if standard output can show every character."""
    return sys.stdout.encoding.lower().startswith("utf")


def show(*parts: Any) -> None:
    """Print parts one below the other, a blank line between them."""
    console = _Console()
    for number, part in enumerate(parts):
        if number:
            console.print()
        console.print(part, soft_wrap=isinstance(part, str))


def agree(question: str, *, is_shown: bool, unasked: str, refused: str) -> None:
    """Ask a yes-or-no question at the terminal about what is shown.

    Raises UsageError with the message `unasked` if nothing is shown or there is no terminal, and with `refused` if the
    answer is no.
    """
    if not is_shown or not (sys.stdin and sys.stdin.isatty()):
        raise UsageError(unasked)
    print(question, "[y/N] ", end="", file=sys.stderr, flush=True)  # noqa: T201
    if sys.stdin.readline().strip().lower() not in ("y", "yes", "是"):
        raise UsageError(refused)


def show_object(value: Any) -> None:
    """One object as JSON: dataclasses as objects, instants in China's time, errors as their message.

    Characters that could control a terminal, or turn the direction of a line, are escaped: the meaning is the same.
    """
    text = json.dumps(value, ensure_ascii=not is_unicode(), indent=2, default=_jsonable)
    print(_NOT_ASCII.sub(_escaped, text))  # noqa: T201


def _escaped(sign: re.Match[str]) -> str:
    if "\ud800" <= sign[0] <= "\udfff":  # half a character, which strict readers of JSON refuse even as an escape
        return "\ufffd"
    return sign[0] if sign[0].isprintable() else json.dumps(sign[0])[1:-1]


def show_lines(lines: dict[str, Any], *, as_json: bool) -> None:
    """A small summary: names and values. What is wrong is left to standard error."""
    if as_json:
        show_object(lines)
        return
    shown = {name: value for name, value in lines.items() if name not in _WHAT_IS_WRONG and value not in (None, {}, ())}
    show(Grid(["", ""], [(words(name), _amount(value)) for name, value in shown.items()]))


def show_table(rows: Sequence[dict[str, Any]], *, as_json: bool, name: str) -> None:
    """Rows of equal shape, as `{name: [...]}` in JSON; one below the other where they are too wide for a table."""
    if as_json:
        show_object({name: rows})
        return
    if not rows:
        show(f"no {name}")
        return
    some, rest = rows[:MOST_ROWS], len(rows) - MOST_ROWS
    headings = [heading + ">" * any(_is_number(row[heading]) for row in some) for heading in rows[0]]
    grid = Grid(headings, [[cell(value) for value in row.values()] for row in some])
    note = [f"{count(rest)} more: all of them with --json"] if rest > 0 else []
    if grid.is_too_wide():
        show(*(Grid(["", ""], [(heading, cell(value)) for heading, value in row.items()]) for row in some), *note)
    else:
        show(grid, *note)


def cell(value: Any) -> str:
    """A value as it stands in a table."""
    if isinstance(value, list | tuple):
        return ", ".join(map(cell, value))
    if isinstance(value, dict):
        return ", ".join(f"{_amount(each)} {words(str(name))}" for name, each in value.items())
    if isinstance(value, datetime):
        value = f"{value.astimezone(CHINA):%Y-%m-%d %H:%M:%S}"
    elif isinstance(value, float):
        value = f"{value:.6g}"
    elif value is None or isinstance(value, bool):
        value = _PLAIN[value]
    return printable(str(value))


def _amount(value: Any) -> str:
    return count(value) if isinstance(value, int) and not isinstance(value, bool) else cell(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _jsonable(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(CHINA).isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value) if not isinstance(value, date) else value.isoformat()

"""No quote swallows a row: proper CSV comes back as written, and CSV with stray quotes row by row or not at all."""

import csv
import re
from io import BytesIO, StringIO

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.tabular.csv_rows import DELIMITERS
from pipelines.tabular.sheet import UnreadableExport, read_sheet

HEADINGS = ("手机号", "回复内容", "回复时间")
Table = list[tuple[str, ...]]


def phone(number: int) -> str:
    return str(13812345000 + number)


def rows_of(text: str) -> Table:
    return read_sheet(text.encode()).frame.rows()


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Replies with their headings, in any order of columns."""
    texts = st.text("好退TD,;\t\"'\n 5", max_size=12)
    contents = draw(st.lists(texts, min_size=1, max_size=8))
    rows = [
        HEADINGS,
        *((phone(place), text, f"2026-11-20 12:00:{place:02}") for place, text in enumerate(contents)),
    ]
    order = draw(st.permutations(range(3)))
    return [tuple(row[place] for place in order) for row in rows]


@st.composite
def written(draw: st.DrawFn) -> tuple[Table, str, str]:
    """A table, its proper CSV, and the delimiter."""
    table, delimiter = draw(tables()), draw(st.sampled_from(DELIMITERS))
    file = StringIO(newline="")
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator="\n").writerows(table)
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    table = [tuple(cell.replace("\n", end) for cell in row) for row in table]
    return table, file.getvalue().replace("\n", end), delimiter


@given(written())
def test_proper_csv_comes_back_as_it_was_written(given: tuple[Table, str, str]) -> None:
    table, text, _ = given
    file = BytesIO()
    pl.DataFrame(table[1:], schema=list(table[0]), orient="row").write_parquet(file)

    assert rows_of(text) == read_sheet(file.getvalue()).frame.rows()


@given(written(), st.data())
def test_one_or_two_stray_quotes_swallow_no_row(given: tuple[Table, str, str], data: st.DataObject) -> None:
    table, text, _ = given
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.integers(0, len(text)))
        text = f'{text[:place]}"{text[place:]}'

    try:
        rows = rows_of(text)
    except UnreadableExport:
        return
    phones = [re.search("138[0-9]{8}", "".join(cell or "" for cell in row).replace('"', "")) for row in rows]
    assert [found[0] for found in phones if found] == [phone(place) for place in range(len(table) - 1)]


STRAY = {
    "one": '{0},好,t\n{1},"收到,t\n{2},退订,t\n{3},"TD",t\n',
    "two": '{0},"好,t\n{1},收到",t\n{2},退订,t\n{3},TD,t\n',
    "three": '{0},"好,t\n{1},收到",t\n{2},退订,t\n{3},"TD,t\n',
    "in_the_phone": '"{0},好,t\n{1},收到,t\n{2}",退订,t\n{3},TD,t\n',
    "at_the_end": '{0},好,t"\n{1},收到,"t\n{2},退订,t"\n{3},TD,t\n',
    "all_cells_quoted": '"{0}","好"","t"\n"{1}",""收到","t"\n"{2}","退"订","t"\n"{3}","TD","t"\n',
    "around_two_cells": '{0},"好,t"\n{1},收到,t\n{2},退订,t\n{3},TD,t\n',
}


@pytest.mark.parametrize("name", STRAY)
def test_every_row_is_read_beside_a_stray_quote(name: str) -> None:
    text = "手机号,回复内容,回复时间\n" + STRAY[name].format(*map(phone, range(4)))

    assert [row[0] for row in rows_of(text)] == [phone(place) for place in range(4)]


def test_a_stray_quote_in_the_headings_swallows_no_row() -> None:
    assert rows_of(f'手机号,"回复内容\n{phone(0)},好\n{phone(1)},"好\n') == [(phone(0), "好"), (phone(1), "好")]


def test_texts_of_several_lines_stay_whole_beside_a_stray_quote() -> None:
    rows = f'手机号,内容,时间\n{phone(0)},"好,\n的,",t\n{phone(1)},"收到,t\n{phone(2)},"退\n订",t\n{phone(3)},5" 屏,t\n'

    assert [row[1] for row in rows_of(rows)] == ["好,\n的,", "收到", "退\n订", '5" 屏']


def test_a_line_whose_quotes_make_no_sense_is_refused_by_its_number() -> None:
    with pytest.raises(UnreadableExport, match="line 4 ") as raised:
        rows_of(f'手机号,内容,时间\n{phone(0)},"好\n的",t\n{phone(1)},"好,"的,t\n')

    assert phone(1) not in str(raised.value)


def test_rows_have_the_numbers_of_their_lines() -> None:
    text = f'\n手机号,内容\n{phone(0)},"好\n的"\r\n\r\n{phone(1)},好\n'

    assert [*read_sheet(text.encode()).row_numbers] == [3, 6]


def test_a_row_with_too_many_cells_is_kept_apart_and_refused_if_a_quote_may_be_why() -> None:
    text = f'手机号,内容\n{phone(0)},"好,的",5"\n{phone(1)},好\n'

    with pytest.raises(UnreadableExport, match="line 2 "):
        rows_of(text)
    assert read_sheet(text.replace('5"', "x").encode()).overlong_rows.keys() == {0}

"""Lists are changed by whatever people write: nobody in a file or on standard input is left out without a word."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.campaign.suppressions import phones_on_lists, suppressed_phones
from pipelines.contracts.core import Rejects
from pipelines.errors import BooksError, InputRefused, UsageError
from pipelines.landing.landing import landing_of
from pipelines.operations.erasure import erase_person
from pipelines.operations.suppression_lists import ListSummary, add_phones, import_list, remove_phones
from pipelines.phones import phones_in_lines
from pipelines.settings import Settings
from pipelines.warehouse.loading.suppressions import tables_of_suppressions

AT = datetime(2026, 11, 22, 1, tzinfo=UTC)
A, B, C, D = (f"1380000000{number}" for number in range(1, 5))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


def imported(text: str, settings: Settings) -> ListSummary:
    file = settings.data_dir.parent / "list.csv"
    file.write_text(text)
    return import_list(file, reason="asked", settings=settings, at=AT)


def listed(settings: Settings) -> list[str]:
    return sorted(phones_on_lists(landing_of(settings))["phone"])


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        (f"name,手机1,手机2\nx,{A},{B}\ny,{C},021-55551234\nz,{D},\n", ("手机1", "手机2")),
        (f"Home Phone,Mobile Phone\n{A},{B}\n021-55551234,{C}\n,{D}\n", ("Home Phone", "Mobile Phone")),
        (f"联系电话,联系电话\n{A},{B}\n{C},\n{D},\n", ("联系电话", "联系电话 (2)")),
        (f"phone,备用电话\n{A},{B}\n{C},+852 9123 4567\n{D},无\n", ("phone", "备用电话")),
    ],
)
def test_every_column_that_is_headed_as_phones_counts_however_few_it_holds(
    text: str, columns: tuple[str, ...], settings: Settings
) -> None:
    assert imported(text, settings).columns == columns
    assert listed(settings) == [A, B, C, D]


@pytest.mark.parametrize("cell", [f"{B}/{C}", f"{B};{C}", f"{B} 或 {C}", f"{B} (妈妈)", "1.38E+10", "1.3800000001e+10"])
def test_a_cell_with_more_than_a_phone_beside_a_phone_is_told_by_its_row(cell: str, settings: Settings) -> None:
    with pytest.raises(InputRefused, match="rows 3 hold no phone in columns 'phone', 'mobile', or more than one"):
        imported(f"phone,mobile\n{A},\n{D},{cell}\n", settings)


def test_what_is_left_out_of_a_file_is_told(settings: Settings) -> None:
    assert imported(f"名单 2026\nphone\n{A}\n", settings).left_out == ("1 row above the headings",)


@pytest.mark.parametrize("name", ["list.csv", "list.parquet"])
def test_a_file_that_stops_the_sending_stops_no_addition_to_the_lists(name: str, settings: Settings) -> None:
    add_phones([A], reason="asked", settings=settings, at=AT)
    stray = settings.data_dir / "landing" / "suppressions" / name
    stray.write_text(f"phone\n{B}\n")

    add_phones([C], reason="asked", settings=settings, at=AT + timedelta(days=1))

    with pytest.raises(InputRefused, match=name):
        suppressed_phones(landing_of(settings), accept_unreadable=True)
    stray.unlink()
    assert listed(settings) == [A, C]


def test_a_file_beside_the_lists_stops_no_removal(settings: Settings) -> None:
    add_phones([A], reason="asked", settings=settings, at=AT)
    (settings.data_dir / "landing" / "suppressions" / "list.csv").write_text(f"phone\n{B}\n")

    remove_phones([A], settings=settings, at=AT + timedelta(days=1))

    assert listed(settings) == []
    with pytest.raises(UsageError, match="on no list"):
        remove_phones([B], settings=settings, at=AT)


@given(st.lists(st.sampled_from([A, "138 0000 0002", "+86 138-0000-0003", f"{A} {B}", "", "  ", f"\t{C} ", "x y"])))
def test_a_line_is_one_phone_or_words(lines: list[str]) -> None:
    words = phones_in_lines("\r\n".join(lines))
    expected = [[line.strip()] if line.startswith(("138 ", "+86")) else line.split() for line in lines if line.strip()]
    assert words == [word for line in expected for word in line]


def put(settings: Settings, **columns: object) -> None:
    """Put a list of A and B into the landing, with these columns in the place of, or beside, the usual ones."""
    folder = settings.data_dir / "landing" / "suppressions"
    folder.mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame({"phone": [A, B], "reason": ["x", "y"], "since_at": [AT, AT], **columns})
    frame.write_parquet(folder / "theirs.parquet")


@pytest.mark.parametrize("is_removed", [[0, 0], [0.0, None], [False, None], [None, None]])
def test_a_flag_of_a_list_is_read_from_numbers_too(is_removed: list[object], settings: Settings) -> None:
    put(settings, is_removed=is_removed)

    assert listed(settings) == [A, B]


@pytest.mark.parametrize(
    "columns",
    [
        {"reason": [["x"], []]},
        {"reason": [b"\xff", b"y"]},
        {"since_at": ["2026-11-22 08:00:00", "soon"]},
        {"is_removed": ["no", "yes"]},
        {"is_removed": [[True], []]},
        {"phone": [[A], [B]]},
    ],
    ids=str,
)
def test_a_list_with_columns_of_other_types_stops_the_sending_and_is_one_reject(
    columns: dict[str, object], settings: Settings
) -> None:
    put(settings, **columns)

    with pytest.raises(InputRefused, match="this suppression list can't be read"):
        suppressed_phones(landing_of(settings), accept_unreadable=True)
    tables = tables_of_suppressions(landing_of(settings), "suppressions/theirs.parquet")
    assert tables[Rejects]["reason"].to_list() == ["a column is of a type that can't be read"]


def test_a_list_with_a_second_column_of_phones_stops_the_sending(settings: Settings) -> None:
    put(settings, mobile=[C, None], city=["x", "y"], number=[1, 2])

    with pytest.raises(InputRefused, match="has phones in 'mobile' too; give each its own row"):
        suppressed_phones(landing_of(settings))


@pytest.mark.parametrize("name", ["list.csv", "list.parquet"])
def test_a_person_is_not_said_to_be_erased_while_a_file_among_the_lists_can_not_be_read(
    name: str, settings: Settings
) -> None:
    add_phones([A], reason="asked", settings=settings, at=AT)
    (settings.data_dir / "landing" / "suppressions" / name).write_text(f"phone\n{A}\n")

    with pytest.raises(BooksError, match=f"suppressions/{name} can't be read"):
        erase_person(A, settings=settings, clock=lambda: AT)


SPELLINGS = ["{}", "{}.0", "+86 {}", "'{}", "({})", "0{}", "086-{}", "{}/13900000000", "x{}", "1.38E+10", "", "{}.5"]
TYPES = [pl.String, pl.Categorical, pl.Int64, pl.Float64, pl.Float32, pl.Decimal(20, 2)]


@given(st.integers(13 * 10**9, 2 * 10**10 - 1), st.sampled_from(SPELLINGS), st.booleans(), st.sampled_from(TYPES))
def test_whoever_stands_on_a_list_counts_or_the_list_stops_the_sending(
    phone: int, spelling: str, is_full_width: bool, dtype: pl.DataType
) -> None:
    text = spelling.format(phone)
    if is_full_width:
        text = text.translate(str.maketrans("0123456789", "０１２３４５６７８９"))
    is_text = dtype in (pl.String, pl.Categorical)
    column = pl.Series("phone", [text], pl.String) if is_text else pl.Series("phone", [Decimal(phone)])
    with TemporaryDirectory() as folder:
        landing = landing_of(Settings(data_dir=Path(folder)))
        (landing.root / "suppressions").mkdir(parents=True)
        entries = pl.DataFrame([column.cast(dtype)]).with_columns(reason=pl.lit("asked"), since_at=pl.lit(AT))
        entries.write_parquet(landing.root / "suppressions" / "theirs.parquet")
        try:
            assert suppressed_phones(landing)["phone"].to_list() == [str(phone)]
        except InputRefused:
            assert spelling in SPELLINGS[-5:] or dtype == pl.Float32

"""Columns of the owner of any name and type are refused by their number, or kept to the end of the books."""

import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.campaign.owner_columns import storable
from pipelines.campaign.plan import PlanRequest, make_plan
from pipelines.errors import InputRefused
from pipelines.landing.landing import landing_of
from pipelines.operations import daily
from pipelines.operations.erasure import erase_person
from pipelines.review.figures import campaign_review
from pipelines.settings import Settings
from pipelines.warehouse.database import warehouse_of
from tests.support.depth import cases

AT = datetime(2026, 11, 22, 1, tzinfo=UTC)
PHONES = ["13800000001", "13800000002", "13800000003"]
WORLDS = cases(fast=1, deep=20)

# Patterns, paths of JSON, quotes, control characters, and names that planning, the plan and the warehouse use too.
ODD_NAMES = (
    "*", "^.*$", "^p.*$", "$", "$.a", "/a/~b", "a.b", "#", "@", '"', "'", "\\", "\n", "\0", " ", "\ufeff", "😀", "名",
    "owner", "reason", "input_row", "message_id", "national", "segment_count", "disposition", "campaign_id", "status",
    "1", "-1", "[0]", "{}", "null", "select", "x" * 3000, "\u202e", "a\u0301", "%s", "{a}", "__index_level_0__",
)  # fmt: skip
NAMES = st.sampled_from(ODD_NAMES) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)


def odd(storage: pa.Array, kind: pa.ExtensionType) -> pa.Array:
    return pa.ExtensionArray.from_storage(kind, storage)


JSON = odd(pa.array(['{"a":1}', "[]", None]), pa.json_(pa.string()))
HOLED = [[1.5, float("nan")], None, [float("inf"), None]]
COLUMNS: dict[str, pa.Array | pl.Series] = {
    "text": pl.Series(["a", "b", None]),
    "phone": pl.Series([int(phone) for phone in PHONES]),
    "list of phones": pl.Series([[phone] for phone in PHONES]),
    "categorical": pl.Series(["a", "b", None]).cast(pl.Categorical),
    "enum": pl.Series(["a", "b", None]).cast(pl.Enum(["a", "b"])),
    "binary": pl.Series([b"\xff\x00", b"text", None]),
    "time": pl.Series([time(1), time(2), None]),
    "duration": pl.Series([timedelta(days=1), timedelta(1), None]),
    "decimal": pl.Series([Decimal("1.50"), Decimal("-2"), None]),
    "date": pl.Series([date(1, 1, 1), date(9999, 12, 31), None]),
    "instant": pl.Series([AT, AT, None]).cast(pl.Datetime("ns", "Asia/Shanghai")),
    "null": pl.Series([None, None, None]),
    "float": pl.Series([1.5, float("nan"), float("-inf")]),
    "half float": pa.array([1.5, float("nan"), None], pa.float16()),
    "boolean": pl.Series([True, False, None]),
    "unsigned": pl.Series([2**64 - 1, 0, None], dtype=pl.UInt64),
    "list": pl.Series(HOLED),
    "lists": pl.Series([[row] for row in HOLED]),
    "list of nothing": pl.Series([[None], [], None], dtype=pl.List(pl.Null)),
    "list of binary": pl.Series([[b"\xff"], [], None]),
    "list of structs": pl.Series([[{"*": 1.0, "^b$": b"\xff"}], [None], None]),
    "array": pl.Series([[1, 2], [3, 4], None], dtype=pl.Array(pl.Int8, 2)),
    "arrays": pl.Series([[[1.0]], [[float("nan")]], None], dtype=pl.Array(pl.Array(pl.Float64, 1), 1)),
    "struct": pl.Series([{"*": float("nan"), "b": {"^c$": b"\xff"}}, {"*": 1.0, "b": None}, None]),
    "extension json": JSON,
    "list of json": pa.ListArray.from_arrays(pa.array([0, 1, 2, 3]), JSON),
    "struct of json": pa.StructArray.from_arrays([JSON], ["j"]),
    "extension uuid": odd(pa.array([b"1" * 16, b"\xff" * 16, None], pa.binary(16)), pa.uuid()),
    "extension bool": odd(pa.array([1, 0, None], pa.int8()), pa.bool8()),
    "tensor": odd(pa.array([[1, 2], [3, 4], None], pa.list_(pa.int32(), 2)), pa.fixed_shape_tensor(pa.int32(), [2])),
    "map": pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int64())),
    "dictionary": pa.array(["a", "b", None]).dictionary_encode(),
}  # fmt: skip


def write(path: Path, columns: Sequence[tuple[str, pa.Array | pl.Series]]) -> Path:
    arrays = [pl.Series(PHONES).to_arrow(), *(c.to_arrow() if isinstance(c, pl.Series) else c for _, c in columns)]
    names = ["phone", *(name for name, _ in columns)]
    pq.write_table(pa.Table.from_arrays(arrays, names), path)
    return path


def plan(folder: Path, *columns: tuple[str, pa.Array | pl.Series]) -> Settings:
    made = Settings(data_dir=folder / "data")
    source = write(folder / "people.parquet", columns)
    make_plan(PlanRequest("spring", source, "【云锋】到货"), landing=landing_of(made), settings=made, at=AT)
    return made


def clock() -> datetime:
    return AT


def is_new(name: str, names: Sequence[str]) -> bool:
    return name.lower() not in [other.lower() for other in (*names, "phone")]


@pytest.mark.cases(WORLDS)
@settings(max_examples=WORLDS)
@given(st.data())
def test_columns_of_any_name_and_type_are_kept_in_plan_books_figures_and_erasure(data: st.DataObject) -> None:
    names: list[str] = []
    for name in data.draw(st.lists(NAMES, min_size=12, max_size=40)):
        if is_new(name, names):
            names.append(name)
    kinds = data.draw(st.lists(st.sampled_from([*COLUMNS]), min_size=len(names), max_size=len(names)))
    values = [COLUMNS[kind] for kind in kinds]
    with tempfile.TemporaryDirectory() as folder:
        made = plan(Path(folder), *zip(names, values, strict=True))
        daily.load(made)
        assert daily.reconcile(made, as_of=AT).is_balanced
        daily.publish(made)
        kept = owners(made)
        campaign_review(made.published_folder, "spring", min_message_count=1)
        erase_person(PHONES[2], settings=made, clock=clock)

        assert sorted(kept) == sorted(names)
        assert all(kept[name] == ["a", "b"] for name, kind in zip(names, kinds, strict=True) if kind == "text")
        assert owners(made).keys() == kept.keys()


def owners(made: Settings) -> dict[str, list[str]]:
    """The columns of the owner that are published, by name: the values of the first two rows as text."""
    query = (
        "SELECT name, list(value ORDER BY input_row) FROM ("
        " SELECT input_row, unnest(json_keys(owner)) AS name,"
        " json_extract_string(owner, '/' || replace(replace(name, '~', '~0'), '/', '~1')) AS value"
        " FROM core.recipients WHERE input_row < 2) GROUP BY name"
    )
    with warehouse_of(made).read() as connection:
        is_valid = "SELECT bool_and(json_valid(owner::VARCHAR)) FROM core.recipients WHERE input_row < 2"
        assert connection.sql(is_valid).fetchall() == [(True,)]
        return dict(connection.sql(query).fetchall())


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_of_every_type_is_kept(tmp_path: Path, kind: str) -> None:
    made = plan(tmp_path, ("it", COLUMNS[kind]))

    daily.load(made)

    (values,) = owners(made).values()
    expected = {
        "binary": ["ff00", "text"],
        "list": ["[1.5,null]", None],
        "struct": ['{"*":null,"b":{"^c$":"ff"}}', '{"*":1.0,"b":null}'],
        "list of structs": ['[{"*":1.0,"^b$":"ff"}]', "[null]"],
        "extension json": ['{"a":1}', "[]"],
        "extension uuid": ["1" * 16, "ff" * 16],
        "array": ["[1,2]", "[3,4]"],
        "arrays": ["[[1.0]]", "[[null]]"],
    }
    assert values == expected.get(kind, values)


def test_integers_of_128_bits_are_kept_as_text() -> None:
    assert storable(pl.Series([2**100, -1, None], dtype=pl.Int128)).to_list() == [str(2**100), "-1", None]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ([("", "text")], "column 2 has no name"),
        ([("a", "text"), ("City", "text"), ("city", "text")], "columns 3 and 4 differ only in upper and lower case"),
    ],
)
def test_names_that_can_not_be_kept_are_refused_by_file_and_column(
    tmp_path: Path, columns: list[tuple[str, str]], words: str
) -> None:
    with pytest.raises(InputRefused, match=f"people.parquet: .*{words}"):
        plan(tmp_path, *((name, COLUMNS[kind]) for name, kind in columns))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([{"": 1}] * 3, "column 2 is nested: within it, column 1 has no name"),
        ([[{"a": 1, "A": 2}]] * 3, "column 2 is nested: within it, the names of columns 1 and 2 differ only"),
    ],
)
def test_names_within_a_column_that_can_not_be_kept_are_refused(tmp_path: Path, value: object, words: str) -> None:
    with pytest.raises(InputRefused, match=words):
        plan(tmp_path, ("it", pl.Series(value)))

"""Any Parquet file of any writer gives the same recipient rows, and rows that can't be sent have a reason."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.campaign.input_files import InputFile
from pipelines.campaign.recipients import read_recipients, segment_count
from pipelines.errors import InputRefused

TEXT = "【云锋】您的订单已发货"
PHONES = ["13800000001", None, "19900000002"]
NUMBERS = [13800000001, None, 19900000002]


def read(*files: Path, content: str | None = TEXT, template_id: str | None = None) -> pl.DataFrame:
    inputs = [InputFile(file, {}) for file in files]
    return read_recipients(inputs, content=content, template_id=template_id, max_content_length=500)


def write(path: Path, **columns: Sequence[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(columns, strict=False).write_parquet(path)
    return path


def reason_of(tmp_path: Path, phone: object = "13800000001", content: str | None = None, **columns: object) -> str:
    """The reason that one row gets; None if it can be sent."""
    row = {"phone": phone, "content": TEXT if content is None else content, **columns}
    return read(write(tmp_path / "in.parquet", **{name: [value] for name, value in row.items()}), content=None)[
        "reason"
    ].item()


def refusal(*files: Path, content: str | None = TEXT, template_id: str | None = None) -> str:
    with pytest.raises(InputRefused) as refused:
        read(*files, content=content, template_id=template_id)
    assert refused.value.exit_code == 10
    assert "\n" not in str(refused.value)
    return str(refused.value)


# Writers


def by_duckdb(sql_type: str) -> Callable[[Path], None]:
    def write_it(path: Path) -> None:
        values = ", ".join("(NULL)" if number is None else f"('{number}')" for number in NUMBERS)
        with duckdb.connect() as connection:
            connection.sql(f"SELECT p::{sql_type} AS phone FROM (VALUES {values}) AS v (p)").write_parquet(str(path))

    return write_it


def by_pyarrow(array: pa.Array) -> Callable[[Path], None]:
    return lambda path: pq.write_table(pa.table({"phone": array}), path)


def by_pandas(series: pd.Series) -> Callable[[Path], None]:
    return lambda path: pd.DataFrame({"phone": series}).to_parquet(path)


def by_polars(dtype: pl.DataType) -> Callable[[Path], None]:
    return lambda path: pl.DataFrame({"phone": pl.Series(PHONES).cast(dtype)}).write_parquet(path)


@pytest.mark.parametrize(
    "write_it",
    [
        pytest.param(by_polars(pl.String()), id="polars text"),
        pytest.param(by_polars(pl.Categorical()), id="polars categorical"),
        pytest.param(by_polars(pl.Enum(["13800000001", "19900000002"])), id="polars enum"),
        pytest.param(by_polars(pl.Int64()), id="polars integer"),
        pytest.param(by_polars(pl.UInt64()), id="polars unsigned integer"),
        pytest.param(by_polars(pl.Float64()), id="polars float"),
        pytest.param(by_pyarrow(pa.array(PHONES, pa.string())), id="pyarrow text"),
        pytest.param(by_pyarrow(pa.array(PHONES, pa.large_string())), id="pyarrow large text"),
        pytest.param(by_pyarrow(pa.array(PHONES, pa.string_view())), id="pyarrow text view"),
        pytest.param(by_pyarrow(pa.array(PHONES).dictionary_encode()), id="pyarrow dictionary"),
        pytest.param(by_pyarrow(pa.array(NUMBERS, pa.int64())), id="pyarrow integer"),
        pytest.param(
            by_pyarrow(pa.array([n and Decimal(n) for n in NUMBERS], pa.decimal128(11))), id="pyarrow decimal"
        ),
        pytest.param(by_pyarrow(pa.array([n and Decimal(n) for n in NUMBERS], pa.decimal128(20, 2))), id="with cents"),
        pytest.param(by_pandas(pd.Series(PHONES)), id="pandas object"),
        pytest.param(by_pandas(pd.Series(PHONES, dtype="string")), id="pandas text"),
        pytest.param(by_pandas(pd.Series(PHONES, dtype="category")), id="pandas category"),
        pytest.param(by_pandas(pd.Series(NUMBERS)), id="pandas integers with a null, so float64"),
        pytest.param(by_pandas(pd.Series(NUMBERS, dtype="Int64")), id="pandas nullable integer"),
        pytest.param(by_duckdb("VARCHAR"), id="duckdb text"),
        pytest.param(by_duckdb("BIGINT"), id="duckdb integer"),
        pytest.param(by_duckdb("HUGEINT"), id="duckdb huge integer"),
        pytest.param(by_duckdb("DECIMAL(11, 0)"), id="duckdb decimal"),
        pytest.param(by_duckdb("ENUM ('13800000001', '19900000002')"), id="duckdb enum"),
    ],
)
def test_phones_come_out_the_same_from_every_writer(tmp_path: Path, write_it: Callable[[Path], None]) -> None:
    write_it(tmp_path / "in.parquet")

    rows = read(tmp_path / "in.parquet")

    assert rows["phone"].to_list() == PHONES
    assert rows["reason"].to_list() == [None, "phone_missing", None]


def test_a_column_of_nulls_only_has_missing_phones(tmp_path: Path) -> None:
    assert read(write(tmp_path / "in.parquet", phone=[None, None]))["reason"].to_list() == ["phone_missing"] * 2


@pytest.mark.parametrize("phone", [13800000001.5, float("inf")])
def test_a_float_that_is_not_a_whole_phone_is_never_rounded_to_one(tmp_path: Path, phone: float) -> None:
    assert reason_of(tmp_path, phone) == "phone_malformed"


@pytest.mark.parametrize("phone", [-13800000001, -8613800000001, -13800000001.0, Decimal("-13800000001")])
def test_a_negative_number_is_not_a_phone(tmp_path: Path, phone: float | Decimal) -> None:
    assert reason_of(tmp_path, phone) == "phone_malformed"


@pytest.mark.parametrize(
    ("name", "value", "dtype"),
    [
        ("phone", 13812345678.0, pl.Float32),
        ("phone", 1e30, pl.Float64),
        ("mission_num", 2.0**24, pl.Float32),
        ("mission_num", -(2.0**53), pl.Float64),
        ("extra_num", 2.0**11, pl.Float16),
    ],
)
def test_floats_too_large_to_be_exact_are_refused_by_name(
    tmp_path: Path, name: str, value: float, dtype: type[pl.DataType]
) -> None:
    columns = {"phone": pl.Series(PHONES, dtype=pl.String), "content": ["【公司】您好"] * 3}
    columns |= {name: pl.Series([None, 1.0, value], dtype=dtype)}
    pl.DataFrame(columns).write_parquet(tmp_path / "in.parquet")

    with pytest.raises(InputRefused, match=rf"in\.parquet: column '{name}' .*row 2.*write it as text"):
        read(tmp_path / "in.parquet")


def test_a_mission_num_that_is_exact_as_a_float_is_taken(tmp_path: Path) -> None:
    assert reason_of(tmp_path, mission_num=float(2**53 - 1)) is None


def test_rows_of_many_row_groups_are_numbered_in_their_order(tmp_path: Path) -> None:
    phones = [f"138{number:08}" for number in range(1000)]
    pl.DataFrame({"phone": phones}).write_parquet(tmp_path / "in.parquet", row_group_size=7)

    rows = read(tmp_path / "in.parquet")

    assert rows["phone"].to_list() == phones
    assert rows["input_row"].to_list() == list(range(1000))


# Columns


def test_columns_in_another_order_are_found_by_their_names(tmp_path: Path) -> None:
    one = write(tmp_path / "1.parquet", phone=["13800000001"], city=["北京"], tier=[1])
    two = write(tmp_path / "2.parquet", tier=[2], city=["上海"], phone=["13800000002"])

    rows = read(one, two)

    assert rows["phone"].to_list() == ["13800000001", "13800000002"]
    assert rows["owner"].to_list() == [{"city": "北京", "tier": 1}, {"city": "上海", "tier": 2}]


def test_the_owners_columns_are_kept_with_their_types_whatever_their_names(tmp_path: Path) -> None:
    owner = {"input_row": [9], "reason": [None], "owner": ["o"], "national": [1.5], "segment_count": [True], "x": [[1]]}
    path = write(tmp_path / "in.parquet", phone=["13800000001"], **owner)

    rows = read(path)

    assert rows["owner"].to_list() == [{name: values[0] for name, values in owner.items()}]
    assert rows.select("input_row", "reason", "segment_count").row(0) == (0, None, 1)


def test_without_columns_of_the_owner_there_is_no_owner(tmp_path: Path) -> None:
    assert "owner" not in read(write(tmp_path / "in.parquet", phone=["13800000001"])).columns


def test_files_whose_columns_differ_are_refused_by_file_and_column(tmp_path: Path) -> None:
    one = write(tmp_path / "1.parquet", phone=["13800000001"], city=["北京"])
    two = write(tmp_path / "2.parquet", phone=["13800000002"], town=["上海"])

    message = refusal(one, two)

    assert str(two) in message
    assert "city, town" in message


def test_columns_whose_types_do_not_fit_together_are_refused_by_file_and_column(tmp_path: Path) -> None:
    one = write(tmp_path / "1.parquet", phone=["13800000001"], city=["北京"], tier=[[1]])
    two = write(tmp_path / "2.parquet", phone=[13800000002], city=["上海"], tier=["x"])

    message = refusal(one, two)

    assert str(two) in message
    assert "in tier;" in message


# Files that can't be read


def truncated(path: Path) -> None:
    write(path, phone=["13800000001"] * 1000)
    path.write_bytes(path.read_bytes()[:-40])


def damaged(path: Path) -> None:
    write(path, phone=[f"138{number:08}" for number in range(1000)])
    content = path.read_bytes()
    path.write_bytes(content[:40] + bytes(200) + content[240:])


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_text("phone\n13800000001\n"), id="CSV"),
        pytest.param(lambda path: path.write_bytes(b"PAR1" + bytes(range(256)) + b"PAR1"), id="garbage"),
        pytest.param(truncated, id="truncated"),
        pytest.param(damaged, id="damaged inside"),
        pytest.param(lambda path: write(path, phone=[]), id="no rows"),
        pytest.param(lambda path: pl.DataFrame().write_parquet(path), id="no columns"),
        pytest.param(lambda path: write(path, number=["13800000001"]), id="no phones"),
        pytest.param(
            lambda path: pq.write_table(pa.Table.from_arrays([pa.array(["1"])] * 2, ["phone"] * 2), path),
            id="two phones",
        ),
    ],
)
def test_a_file_that_holds_no_recipients_is_refused_by_name(tmp_path: Path, make: Callable[[Path], object]) -> None:
    path = tmp_path / "in.parquet"
    make(path)

    assert refusal(path).startswith(f"{path}: ")


@pytest.mark.parametrize("name", ["phone", "extra_num", "mission_num", "template_id", "content"])
@pytest.mark.parametrize("value", [[1], {"a": 1}, True, b"13800000001"], ids=["list", "struct", "boolean", "binary"])
def test_a_column_of_the_wrong_type_is_refused_by_file_and_column(tmp_path: Path, name: str, value: object) -> None:
    path = write(tmp_path / "in.parquet", **{"phone": ["13800000001"], name: [value]})

    message = refusal(path, content=None)

    assert message.startswith(f"{path}: column '{name}' is of type ")


@pytest.mark.parametrize("name", ["Phone", "PHONE", " phone ", "\ufeffphone", "extraNum", "Mission_Num", "template id"])
def test_a_name_that_differs_in_spelling_is_refused_with_the_right_one(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "in.parquet", **{"phone": ["13800000001"], name: ["1"]})

    message = refusal(path)

    assert repr(name) in message
    assert any(f"rename it to '{meant}'" in message for meant in ("phone", "extra_num", "mission_num", "template_id"))


@pytest.mark.parametrize(
    "name", ["mobile", "Mobile_Phone", "telephone", "手机号", "手机号码", "MSISDN", "phone_number"]
)
def test_a_column_that_is_named_like_a_phone_is_suggested(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "in.parquet", city=["北京"], **{name: ["13800000001"]})

    assert refusal(path) == f"{path}: has no column 'phone'; rename {name!r} to it"


def test_a_headerless_csv_made_parquet_is_refused_without_showing_the_person_in_its_names(tmp_path: Path) -> None:
    path = write(tmp_path / "in.parquet", **{"13812345678": ["13800000001"], "王小明": ["李"]})

    message = refusal(path)

    assert "13812345678" not in message
    assert "王小明" not in message
    assert "2 columns" in message


# Phones


@pytest.mark.parametrize(
    "given",
    [
        "13800000001",
        " 13800000001\t",
        "+8613800000001",
        "008613800000001",
        "8613800000001",
        "+86 138-0000-0001",
        "138 0000 0001",
        "\u3000138\u30000000\u30000001",
        "138\u00a00000\u00a00001",
        "138–0000—0001",
        "138－0000−0001",
        "\u202d13800000001\u202c",
        "\ufeff13800000001",
        "１３８００００００01",
        "（086）138-0000-0001",
        "'013800000001",
        "13800000001.0",
    ],
)
def test_a_phone_is_read_however_it_is_written(tmp_path: Path, given: str) -> None:
    rows = read(write(tmp_path / "in.parquet", phone=[given]))

    assert rows["phone"].item() == "13800000001"
    assert rows["reason"].item() is None


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (None, "phone_missing"),
        ("", "phone_missing"),
        ("\u3000 ", "phone_missing"),
        ("--", "phone_malformed"),
        ("12800000001", "phone_malformed"),
        ("1380000000", "phone_malformed"),
        ("138000000012", "phone_malformed"),
        ("868613800000001", "phone_malformed"),
        ("+85251234567", "phone_foreign"),
        ("1-415-555-2671", "phone_foreign"),
        ("-13800000001", "phone_malformed"),
        ("\u200b-13800000001", "phone_malformed"),
        ("−13800000001", "phone_malformed"),
        ("－86 13800000001", "phone_malformed"),
        ("1.3800000001e10", "phone_malformed"),
        ("01088888888", "phone_malformed"),
        ("13800000001,13800000002", "phone_malformed"),
        ("13800000001\n13800000002", "phone_malformed"),
        ("1380000000a", "phone_malformed"),
        ("138٠٠٠٠٠٠٠١", "phone_malformed"),
        (True, "phone_malformed"),
    ],
)
def test_an_invalid_phone_stays_as_given_with_the_reason(tmp_path: Path, given: str | None, reason: str) -> None:
    given = str(given) if given is True else given
    rows = read(write(tmp_path / "in.parquet", phone=[given], x=[1]))

    assert rows["reason"].item() == reason
    assert rows["phone"].item() == (None if reason == "phone_missing" else given)


# Texts, templates, numbers


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("【云锋】到货", None),
        ("到货【云锋】", None),
        ("【云锋】\n到货", None),
        ("", "content_missing"),
        ("  \u3000", "content_missing"),
        ("到货", "content_without_signature"),
        ("到【云锋】货", "content_without_signature"),
        ("【】到货", "content_without_signature"),
        ("到货【】", "content_without_signature"),
        ("到货【云锋】\n", "content_without_signature"),
        (" 【云锋】到货", "content_without_signature"),
        ("【云锋】" + "货" * 496, None),
        ("【云锋】" + "货" * 497, "content_too_long"),
    ],
)
def test_a_text_is_checked_alike_in_a_column_and_for_all(tmp_path: Path, content: str, reason: str | None) -> None:
    in_column = reason_of(tmp_path, content=content)
    path = write(tmp_path / "all.parquet", phone=["13800000001"])

    assert in_column == reason
    if reason is None:
        assert read(path, content=content)["content"].to_list() == [content]
    else:
        assert refusal(path, content=content).startswith("the content ")


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("a" * 66 + "🚚" + "b" * 66, 3),  # 134 units, and the pair would be cut
        ("a" * 65 + "🚚" + "b" * 67, 2),
        ("🚚" * 35, 1),
        ("🚚" * 66, 2),
        ("🚚" * 67, 3),
        ("a" * 66 + "🚚\n" * 22, 2),
    ],
)
def test_a_character_is_never_cut_between_two_segments(text: str, segments: int) -> None:
    assert pl.select(segment_count(pl.lit(text))).item() == segments


@pytest.mark.parametrize(
    ("units", "segments"), [(5, 1), (70, 1), (71, 2), (134, 2), (135, 3), (201, 3), (202, 4), (500, 8)]
)
def test_a_text_of_70_units_is_one_segment_and_a_longer_one_counts_67_each(
    tmp_path: Path, units: int, segments: int
) -> None:
    text = "【云锋】" + "货" * (units - 4)

    assert read(write(tmp_path / "in.parquet", phone=["1"]), content=text)["segment_count"].to_list() == [segments]


@pytest.mark.parametrize(("emoji", "segments"), [(33, 1), (34, 2), (64, 2), (65, 3), (66, 3)])
def test_an_emoji_counts_two_units(tmp_path: Path, emoji: int, segments: int) -> None:
    path = write(tmp_path / "in.parquet", phone=["1"], content=["【云锋】" + "🚚" * emoji])

    assert read(path, content=None)["segment_count"].to_list() == [segments]


def test_a_text_is_sent_as_given_blanks_included(tmp_path: Path) -> None:
    path = write(tmp_path / "in.parquet", phone=["13800000001"], content=["【云锋】到货 \n"])

    assert read(path, content=None)["content"].item() == "【云锋】到货 \n"


def test_a_text_or_template_given_twice_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "in.parquet", phone=["13800000001"], content=[TEXT], template_id=["t1"])

    assert "a column 'content', and a content for all" in refusal(path)
    assert "a column 'template_id', and a template_id for all" in refusal(path, content=None, template_id="t1")


def test_a_file_without_any_text_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "in.parquet", phone=["13800000001"])

    assert "has no column 'content'" in refusal(path, content=None)
    assert "has no column 'content'" in refusal(path, content=None, template_id="t1")


def test_an_empty_template_id_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "in.parquet", phone=["13800000001"], content=[TEXT])

    assert "the template id is empty" in refusal(path, content=None, template_id=" ")


@pytest.mark.parametrize(
    ("extra_num", "reason"),
    [
        ("0", None),
        ("123456", None),
        (None, None),
        (12, None),
        ("1234567", "extra_num_malformed"),
        ("1a", "extra_num_malformed"),
    ],
)
def test_an_extra_num_is_one_to_six_digits_or_none(tmp_path: Path, extra_num: object, reason: str | None) -> None:
    assert reason_of(tmp_path, extra_num=extra_num) == reason


@pytest.mark.parametrize(
    ("mission_num", "reason"),
    [
        ("order_1", None),
        ("A" * 32, None),
        (20241122, None),
        (None, "mission_num_missing"),
        ("", "mission_num_missing"),
        ("A" * 33, "mission_num_malformed"),
        ("order-1", "mission_num_malformed"),
        ("订单", "mission_num_malformed"),
        ("order 1", "mission_num_malformed"),
    ],
)
def test_an_own_mission_num_is_at_most_32_letters_digits_or_underscores(
    tmp_path: Path, mission_num: object, reason: str | None
) -> None:
    assert reason_of(tmp_path, mission_num=mission_num) == reason


def test_a_mission_num_of_two_phones_stays_with_the_first(tmp_path: Path) -> None:
    path = write(
        tmp_path / "in.parquet",
        phone=["13800000001", "13800000002", "bad", "13800000003", "+8613800000001", None, "13800000004"],
        mission_num=["a", "a", "b", "b", "a", "c", "c"],
    )

    repeated = "mission_num_repeated"
    expected = [None, repeated, "phone_malformed", repeated, None, "phone_missing", repeated]
    assert read(path)["reason"].to_list() == expected


def test_the_first_reason_of_a_row_is_the_phones(tmp_path: Path) -> None:
    assert reason_of(tmp_path, "1", content="", mission_num="-", extra_num="x") == "phone_malformed"
    assert reason_of(tmp_path, content="", mission_num="-", extra_num="x") == "mission_num_malformed"
    assert reason_of(tmp_path, content="", extra_num="x") == "extra_num_malformed"


def test_a_nan_or_an_infinity_of_the_owners_is_missing_since_json_has_none(tmp_path: Path) -> None:
    spent = [1.5, float("nan"), float("inf"), None]
    recipients = read(write(tmp_path / "in.parquet", phone=["13800000001"] * 4, spent=spent))

    assert recipients["owner"].struct.field("spent").to_list() == [1.5, None, None, None]

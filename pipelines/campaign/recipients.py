"""The recipients of an input: its Parquet files read, the rows normalised and checked one by one.

The result doesn't depend on the library that wrote the file (polars, pyarrow, pandas, DuckDB). Rows are numbered from 0
in the order of the files' names. Duplicates, suppressions and batches are in plan.py.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from pipelines.campaign.input_files import InputFile
from pipelines.campaign.owner_columns import fault_of_names, storable
from pipelines.errors import InputRefused
from pipelines.phones import is_foreign, national, phone_number
from pipelines.tabular.numbers import InexactNumbers, numbers_as_text
from pipelines.tabular.parquet import UnreadableParquet, read_parquet

SEGMENT_UNITS = 70  # UTF-16 units that fit one segment; of a longer text each segment holds 67
LONG_SEGMENT_UNITS = 67
_PAIR = r"[\x{10000}-\x{10FFFF}]"

# Columns that planning uses; all others are the owner's.
OPTIONAL_COLUMNS = ("content", "extra_num", "mission_num", "template_id")
COLUMNS = ("phone", *OPTIONAL_COLUMNS)

# Other names of a column of phones, in the form of `_plain`, so that the error can suggest it.
_PHONE_NAME = re.compile(
    "phones|(phone|mobile|cell|tele?)(phone)?(no|num|number)?|msisdn|(手机|手機|电话|電話)(号|號|号码|號碼)?"
)


def read_recipients(
    files: Sequence[InputFile], *, content: str | None, template_id: str | None, max_content_length: int
) -> pl.DataFrame:
    """Read and check the files.

    Returns one row per recipient row, in order: input_row, phone (normalised, or as given where invalid), phone_number
    (null where invalid), content, extra_num, mission_num, template_id, segment_count, reason (null: can be sent), and
    owner, a struct of the owner's columns, if there are any. Raises InputRefused, naming file and column, if the input
    as a whole can't be read or sent.
    """
    if content is not None:
        _check_common_content(content, max_content_length)
    if template_id is not None and not template_id.strip():
        raise InputRefused("the template id is empty; give the id of a registered template")
    frame = _read(files)
    for name, common in (("content", content), ("template_id", template_id)):
        if common is None:
            continue
        if name in frame.columns:
            raise InputRefused(f"{files[0].path}: has a column '{name}', and a {name} for all was given too; drop one")
        frame = frame.with_columns(pl.lit(common).alias(name))
    if "content" not in frame.columns:
        raise InputRefused(
            f"{files[0].path}: has no column 'content'; add one, or give one text for all with --content"
        )
    return _checked(frame, is_content_common=content is not None, max_content_length=max_content_length)


def segment_count(text: pl.Expr) -> pl.Expr:
    """Number of segments that a text is billed as, by UTF-16 units; none begins in the middle of a character.

    A character beyond U+FFFF is a pair of units. One that would be cut begins the next segment.
    """
    pairs = text.str.count_matches(_PAIR)
    units = text.str.len_chars() + pairs
    in_units = pl.when((units > SEGMENT_UNITS) & (pairs > 0)).then(text).str.replace_all(_PAIR, "\ufdd0\ufdd1")
    whole = in_units.str.count_matches(rf"(?s).{{0,{LONG_SEGMENT_UNITS - 1}}}[^\x{{FDD0}}]")
    long = whole.fill_null((units + (LONG_SEGMENT_UNITS - 1)) // LONG_SEGMENT_UNITS)
    return pl.when(units <= SEGMENT_UNITS).then(1).otherwise(long).cast(pl.Int32)


def _read(files: Sequence[InputFile]) -> pl.DataFrame:
    """All rows of all files: input_row, the columns that planning uses as text, and the others packed into `owner`."""
    parts = [_read_file(file) for file in files]
    columns = parts[0].columns
    for file, part in zip(files, parts, strict=True):
        differing = sorted(set(part.columns) ^ set(columns))
        if differing:
            raise InputRefused(
                f"{file.path}: columns differ from {files[0].path} in {', '.join(differing)}; give all files the same"
                " columns"
            )
    try:
        frame = pl.concat([part[columns] for part in parts], how="vertical_relaxed", rechunk=False)
    except pl.exceptions.PolarsError:
        types = [dict(part.schema) for part in parts]
        file, its = next(pair for pair in zip(files, types, strict=True) if pair[1] != types[0])
        differing = [name for name in columns if its[name] != types[0][name]]
        raise InputRefused(
            f"{file.path}: types differ from {files[0].path} in {', '.join(differing)}; use the same types in all files"
        ) from None
    if frame.is_empty():
        raise InputRefused(f"{files[0].path}: has no rows; give a file with recipients")
    owner = [name for name in columns if name not in COLUMNS]
    used = frame[[name for name in columns if name in COLUMNS]]
    frame = used.with_columns(frame[owner].to_struct("owner")) if owner else used
    return frame.with_row_index("input_row").with_columns(pl.col("input_row").cast(pl.Int64))


def _read_file(input_file: InputFile) -> pl.DataFrame:
    """One file's rows, with the columns that planning uses as text, and the partitions of its path as columns."""
    file = input_file.path
    try:
        frame = read_parquet(file.read_bytes())
    except UnreadableParquet as error:
        raise InputRefused(f"{file}: can't be read: {error}") from None
    except OSError as error:
        raise InputRefused(f"{file}: can't be read ({error.strerror}); make it readable, then try again") from None
    frame = frame.with_columns(
        pl.lit(value, pl.String).alias(name)
        for name, value in input_file.partitions.items()
        if name not in frame.columns
    )
    _check_names(file, frame.columns)
    if fault := fault_of_names(frame.schema.items()):
        raise InputRefused(f"{file}: {fault}")
    frame = frame.with_columns(storable(frame[name]) for name in frame.columns if name not in COLUMNS)
    return frame.with_columns(_as_text(file, frame[name]) for name in COLUMNS if name in frame.columns)


def _check_names(file: Path, names: Sequence[str]) -> None:
    """Raises InputRefused if the column of phones is missing, or a name differs from a used one only in its spelling.

    Only known names are shown: in a file made from a CSV without headings, people's data are the names.
    """
    meant = {_plain(name): name for name in COLUMNS}
    for name in names:
        if name not in COLUMNS and _plain(name) in meant:
            raise InputRefused(
                f"{file}: has a column {name!r}; rename it to '{meant[_plain(name)]}', or to another name"
            )
    if "phone" not in names:
        likely = next((name for name in names if _PHONE_NAME.fullmatch(_plain(name))), None)
        step = f"rename {likely!r} to it" if likely else f"rename the one of its {len(names)} columns that holds phones"
        raise InputRefused(f"{file}: has no column 'phone'; {step}")


def _plain(name: str) -> str:
    """A column's name in lower case, without blanks, punctuation and a byte order mark."""
    return re.sub(r"[\W_]", "", name).casefold()


def _as_text(file: Path, column: pl.Series) -> pl.Series:
    """A column as trimmed text, with null for empty, from any type that text or whole numbers are written as."""
    name, dtype = column.name, column.dtype
    is_text = isinstance(dtype, pl.String | pl.Categorical | pl.Enum)
    is_number = dtype.is_integer() or dtype.is_decimal() or (dtype.is_float() and name != "content")
    if not (is_text or is_number or dtype == pl.Null):
        kind = type(dtype).__name__
        raise InputRefused(f"{file}: column '{name}' is of type {kind}; write it as text or whole numbers")
    try:
        text = numbers_as_text(column)
    except InexactNumbers as error:
        raise InputRefused(f"{file}: column '{name}' {error}") from None
    if is_text and name != "content":  # contents are sent as given, blanks included
        text = text.str.strip_chars()
    return text.set(text == "", None)


def _checked(frame: pl.DataFrame, *, is_content_common: bool, max_content_length: int) -> pl.DataFrame:
    """Normalise the phones, count the segments, and give each row that can't be sent its first reason."""
    frame = frame.with_columns(national(pl.col("phone")))
    frame = frame.with_columns(phone_number=phone_number(pl.col("phone")))
    frame = frame.with_columns(phone_reason=_phone_reasons(frame))

    reasons = [pl.col("phone_reason")]
    if "mission_num" in frame.columns:
        number = pl.col("mission_num")
        first_phone = pl.col("phone").first().over("mission_num")  # the same phone again is a duplicate
        reasons += [
            pl.when(number.is_null()).then(pl.lit("mission_num_missing")),
            pl.when(~number.str.contains("^[A-Za-z0-9_]{1,32}$")).then(pl.lit("mission_num_malformed")),
            pl.when(pl.col("phone").ne_missing(first_phone)).then(pl.lit("mission_num_repeated")),
        ]
    if "extra_num" in frame.columns:
        malformed = pl.col("extra_num").is_not_null() & ~pl.col("extra_num").str.contains("^[0-9]{1,6}$")
        reasons.append(pl.when(malformed).then(pl.lit("extra_num_malformed")))
    if not is_content_common:
        reasons += _content_reasons(pl.col("content"), max_content_length)

    content = pl.col("content").first() if is_content_common else pl.col("content")
    checked = frame.lazy().with_columns(
        segment_count(content).alias("segment_count"),
        pl.coalesce(reasons).alias("reason"),
        *(pl.lit(None, pl.String).alias(name) for name in OPTIONAL_COLUMNS if name not in frame.columns),
    )
    return checked.drop("phone_reason").collect()  # lazily, so that what several columns need is computed once


def _phone_reasons(frame: pl.DataFrame) -> pl.Series:
    """Why nothing can be sent to a phone, null where it can; only those that are no phones are looked at, a few."""
    rows = frame["phone_number"].is_null().arg_true()
    phone = pl.col("phone")
    reason = (
        pl.when(phone.is_null())
        .then(pl.lit("phone_missing"))
        .when(is_foreign(phone))
        .then(pl.lit("phone_foreign"))
        .otherwise(pl.lit("phone_malformed"))
    )
    few = frame["phone"].gather(rows).to_frame().select(reason).to_series()
    return pl.repeat(None, frame.height, dtype=pl.String, eager=True).scatter(rows, few)


def _content_reasons(content: pl.Expr, max_content_length: int) -> list[pl.Expr]:
    starts = content.str.contains("^【[^【】]+】")
    ends = content.str.contains("【[^【】]+】$")
    return [
        pl.when(content.is_null() | (content.str.strip_chars() == "")).then(pl.lit("content_missing")),
        pl.when(content.str.len_chars() > max_content_length).then(pl.lit("content_too_long")),
        pl.when(~(starts | ends)).then(pl.lit("content_without_signature")),
    ]


def _check_common_content(content: str, max_content_length: int) -> None:
    """Raises InputRefused if the text for all can't be sent."""
    reason = pl.select(pl.coalesce(_content_reasons(pl.lit(content), max_content_length))).item()
    if reason is not None:
        why = {
            "content_missing": "is empty; give the text to send",
            "content_too_long": f"has {len(content)} characters; at most {max_content_length} can be sent",
            "content_without_signature": "has no signature; start or end it with the registered one, as in 【公司】…",
        }
        raise InputRefused(f"the content {why[reason]}")

"""The rows of an input file: found, read, normalised and checked, each with the reason if it can't be sent.

Whatever wrote the Parquet file (polars, pyarrow, pandas, DuckDB), the same people come out. Rows are numbered from 0 in
the order of the files' names. Nothing here knows other rows (duplicates), lists (suppressions) or batches.
"""

import hashlib
import re
from collections.abc import Sequence
from glob import glob
from pathlib import Path

import polars as pl

from pipelines.errors import InputRefused

PHONE = "^1[3-9][0-9]{9}$"
SIGNATURE = re.compile("^【[^【】]+】|【[^【】]+】$")
SEGMENT_UNITS = 70  # UTF-16 units that fit one segment; of a longer text each segment holds 67
LONG_SEGMENT_UNITS = 67

# Columns with a meaning; all others are the owner's own.
OPTIONAL_COLUMNS = ("content", "extra_num", "mission_num", "template_id")
COLUMNS = ("phone", *OPTIONAL_COLUMNS)


def input_files(source: Path) -> list[Path]:
    """The Parquet files behind a path: the file itself, all beneath a folder, or what a glob matches; sorted.

    Raises InputRefused if there are none.
    """
    if source.is_file():
        return [source]
    if source.is_dir():
        files = sorted(source.rglob("*.parquet"))
    else:
        files = sorted(Path(name) for name in glob(str(source), recursive=True))  # noqa: PTH207  absolute globs too
        files = [file for file in files if file.is_file()]
    if not files:
        raise InputRefused(f"{source}: no Parquet file there; give a file, a folder or a quoted glob")
    return files


def input_sha256(files: Sequence[Path], *, content: str | None, template_id: str | None) -> str:
    """What binds a campaign's id to one input: the files' bytes, and the one text or template for all."""
    digest = hashlib.sha256(repr((content, template_id)).encode())
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def read_recipients(
    files: Sequence[Path], *, content: str | None, template_id: str | None, max_content_length: int
) -> pl.DataFrame:
    """Read and check the files.

    Returns one row per recipient row: input_row, phone (normalised, or as given where invalid), content, extra_num,
    mission_num, template_id, segment_count, reason (null: can be sent), and owner, a struct of the owner's columns, if
    there are any. Raises InputRefused, naming file and column, for what can't be read or sent as a whole.
    """
    if content is not None:
        _check_common_content(content, max_content_length)
    frame = _read(files)
    for name, common in (("content", content), ("template_id", template_id)):
        if common is None:
            continue
        if name in frame.columns:
            raise InputRefused(f"{files[0]}: has a column '{name}', and a {name} for all was given too; drop one")
        frame = frame.with_columns(pl.lit(common).alias(name))
    if "content" not in frame.columns:
        raise InputRefused(f"{files[0]}: has no column 'content'; add one, or give one text for all with --content")
    return _checked(frame, is_content_common=content is not None, max_content_length=max_content_length)


def segment_count(text: pl.Expr) -> pl.Expr:
    """Segments a text is billed as: by UTF-16 units, so that a character beyond U+FFFF counts twice."""
    units = text.str.len_chars() + text.str.count_matches(r"[\x{10000}-\x{10FFFF}]")
    long = (units + (LONG_SEGMENT_UNITS - 1)) // LONG_SEGMENT_UNITS
    return pl.when(units <= SEGMENT_UNITS).then(1).otherwise(long).cast(pl.Int32)


def _read(files: Sequence[Path]) -> pl.DataFrame:
    """All rows of all files: input_row, the columns with a meaning as text, and the rest packed into `owner`."""
    parts = [_read_file(file) for file in files]
    for file, part in zip(files, parts, strict=True):
        if part.columns != parts[0].columns:
            differing = sorted(set(part.columns) ^ set(parts[0].columns)) or ["their order"]
            raise InputRefused(f"{file}: its columns differ from those of {files[0]}: {', '.join(differing)}")
    try:
        frame = pl.concat(parts, how="vertical_relaxed", rechunk=False)
    except pl.exceptions.PolarsError:
        raise InputRefused(f"{files[0].parent}: the files' columns have types that don't fit together") from None
    if frame.is_empty():
        raise InputRefused(f"{files[0]}: has no rows")
    owner = [name for name in frame.columns if name not in COLUMNS]
    frame = frame.with_row_index("input_row").with_columns(pl.col("input_row").cast(pl.Int64))
    if owner:
        frame = frame.select("input_row", *(n for n in COLUMNS if n in frame.columns), pl.struct(owner).alias("owner"))
    return frame


def _read_file(file: Path) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(file, glob=False, hive_partitioning=False)
    except (pl.exceptions.PolarsError, OSError, pl.exceptions.PanicException) as error:
        kind = type(error).__name__
        raise InputRefused(f"{file}: can't be read as Parquet ({kind}); is it whole, and not encrypted?") from None
    if "phone" not in frame.columns:
        present = ", ".join(frame.columns[:8]) or "none"
        raise InputRefused(f"{file}: has no column 'phone' (its columns: {present}); rename the one that holds phones")
    return frame.with_columns(_as_text(file, name, frame.schema[name]) for name in COLUMNS if name in frame.columns)


def _as_text(file: Path, name: str, dtype: pl.DataType) -> pl.Expr:
    """A column as trimmed text, empty as null, whatever its writer made of it; whole floats are pandas' integers."""
    column = pl.col(name)
    if dtype.is_float() and name != "content":
        column = column.cast(pl.Int64, strict=False)
    elif not (dtype.is_integer() or isinstance(dtype, pl.String | pl.Categorical | pl.Enum | pl.Null)):
        raise InputRefused(f"{file}: column '{name}' is of type {dtype}; it must be text or whole numbers")
    text = column.cast(pl.String)
    if name == "content":  # what is sent is sent as given, blanks included
        return pl.when(text != "").then(text).alias(name)
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        text = text.str.strip_chars()
        return pl.when(text != "").then(text).alias(name)
    return text


def _checked(frame: pl.DataFrame, *, is_content_common: bool, max_content_length: int) -> pl.DataFrame:
    """Normalise the phones, count the segments and give each row that can't be sent its first reason."""
    as_given = pl.col("phone")
    national = as_given.str.replace_all(r"[\s\-‐-―－]", "").str.replace(r"^(?:\+86|0086|86)", "")
    is_phone = pl.col("national").str.contains(PHONE)
    frame = frame.with_columns(national.alias("national"))

    reasons: list[pl.Expr] = [
        pl.when(as_given.is_null()).then(pl.lit("phone_missing")),
        pl.when(~is_phone).then(pl.lit("phone_malformed")),
    ]
    if "mission_num" in frame.columns:
        number = pl.col("mission_num")
        reasons += [
            pl.when(number.is_null()).then(pl.lit("mission_num_missing")),
            pl.when(~number.str.contains("^[A-Za-z0-9_]{1,32}$")).then(pl.lit("mission_num_malformed")),
            pl.when(number.is_not_null() & ~number.is_first_distinct()).then(pl.lit("mission_num_repeated")),
        ]
    if "extra_num" in frame.columns:
        malformed = pl.col("extra_num").is_not_null() & ~pl.col("extra_num").str.contains("^[0-9]{1,6}$")
        reasons.append(pl.when(malformed).then(pl.lit("extra_num_malformed")))
    if not is_content_common:
        reasons += _content_reasons(pl.col("content"), max_content_length)

    content = pl.col("content").first() if is_content_common else pl.col("content")
    reason = pl.coalesce(reasons)
    return frame.with_columns(
        pl.when(is_phone).then("national").otherwise("phone").alias("phone"),
        segment_count(content).alias("segment_count"),
        reason.alias("reason"),
        *(pl.lit(None, pl.String).alias(name) for name in OPTIONAL_COLUMNS if name not in frame.columns),
    ).drop("national")


def _content_reasons(content: pl.Expr, max_content_length: int) -> list[pl.Expr]:
    starts = content.str.contains("^【[^【】]+】")
    ends = content.str.contains("【[^【】]+】$")
    return [
        pl.when(content.is_null() | (content.str.strip_chars() == "")).then(pl.lit("content_missing")),
        pl.when(content.str.len_chars() > max_content_length).then(pl.lit("content_too_long")),
        pl.when(~(starts | ends)).then(pl.lit("content_without_signature")),
    ]


def _check_common_content(content: str, max_content_length: int) -> None:
    """Raises InputRefused if the one text for all can't be sent: no row could be."""
    if not content.strip():
        raise InputRefused("the content is empty; give the text to send")
    if len(content) > max_content_length:
        raise InputRefused(f"the content has {len(content)} characters; at most {max_content_length} can be sent")
    if not SIGNATURE.search(content):
        raise InputRefused("the content has no signature; start or end it with the registered one, as in 【公司】…")

"""Landed suppression lists, turned into rows; nothing is written here.

A list is a Parquet file with the columns phone, reason and since_at, and optionally is_removed, which cancels entries.
Every entry becomes one checked row or one row of core.rejects; a list that can't be read is one record, rejected whole.
"""

from typing import Final

import polars as pl

from pipelines.campaign.suppressions import since_at_of
from pipelines.contracts import schema_of, split
from pipelines.contracts.core import Files, Rejects, Suppressions
from pipelines.landing.landing import Landing
from pipelines.tabular.parquet import UnreadableParquet, read_parquet
from pipelines.warehouse.loading.rows import WHOLE_FILE, LoadedFile, Reject, Tables, frame_of, plausible

_KIND: Final = "suppressions"
_COLUMNS: Final = ("phone", "reason", "since_at")


def tables_of_suppressions(landing: Landing, source_file: str) -> Tables:
    """The rows of core that one list holds."""
    try:
        entries = read_parquet(landing.suppressions.read(source_file))
    except (UnreadableParquet, OSError):
        return _rejected_whole(source_file, "the file is not Parquet")
    missing = [name for name in _COLUMNS if name not in entries.columns]
    if missing:
        return _rejected_whole(source_file, f"the file lacks the column {', '.join(missing)}")
    good, bad = split(Suppressions, _cleaned(entries, source_file))
    rejects = [
        Reject(source_file, position, _KIND, reason, entries[position].write_ndjson().strip())
        for position, reason in bad.iter_rows()
    ]
    return {
        Suppressions: good,
        Rejects: frame_of(Rejects, rejects),
        Files: frame_of(Files, [LoadedFile.of(source_file, _KIND, entries.height, len(rejects))]),
    }


def _cleaned(entries: pl.DataFrame, source_file: str) -> pl.DataFrame:
    since_at = since_at_of(entries.schema["since_at"])
    return entries.select(
        pl.col("phone").cast(pl.String),
        pl.col("reason").cast(pl.String),
        plausible(since_at.cast(schema_of(Suppressions)["since_at"], strict=False)),
        pl.lit(source_file).alias("source_file"),
        (pl.col("is_removed") if "is_removed" in entries.columns else pl.lit(value=False)).alias("is_removed"),
    )


def _rejected_whole(source_file: str, reason: str) -> Tables:
    return {
        Rejects: frame_of(Rejects, [Reject(source_file, WHOLE_FILE, _KIND, reason, "")]),
        Files: frame_of(Files, [LoadedFile.of(source_file, _KIND, record_count=1, rejected_count=1)]),
    }

"""Landed suppression lists, turned into rows; nothing is written here.

A list is a Parquet file with the columns phone, reason and since_at, and optionally is_removed, which cancels entries,
and is_accepted.
Every entry becomes one checked row or one row of core.rejects; a list that can't be read is one record, rejected whole.
"""

from typing import Final

import polars as pl

from pipelines.campaign.suppressions import normalised
from pipelines.contracts import split
from pipelines.contracts.core import Files, Rejects, Suppressions
from pipelines.landing.landing import Landing
from pipelines.tabular.numbers import InexactNumbers
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
    try:
        cleaned = _cleaned(entries, source_file)
    except InexactNumbers as error:
        return _rejected_whole(source_file, f"column 'phone' {error}")
    except pl.exceptions.PolarsError:
        return _rejected_whole(source_file, "a column is of a type that can't be read")
    good, bad = split(Suppressions, cleaned)
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
    return normalised(entries).select(
        "phone", "reason", plausible(pl.col("since_at")), pl.lit(source_file).alias("source_file"), "is_removed"
    )


def _rejected_whole(source_file: str, reason: str) -> Tables:
    return {
        Rejects: frame_of(Rejects, [Reject(source_file, WHOLE_FILE, _KIND, reason, "")]),
        Files: frame_of(Files, [LoadedFile.of(source_file, _KIND, record_count=1, rejected_count=1)]),
    }

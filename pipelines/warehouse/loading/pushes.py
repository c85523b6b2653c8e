"""Sealed segments of pushes, turned into rows; nothing is written here.

Every record of a push is one checked row or one row of core.rejects, as with the records of a call. A push that can't
be read is one reject; its position is that of the push in its segment.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from pipelines.contracts import schema_of, split
from pipelines.contracts.core import Files, Rejects, Replies, Reports
from pipelines.gateway.push import Pushed, PushedRecords, read_pushes
from pipelines.landing.landing import Landing
from pipelines.landing.segments.frames import Frame
from pipelines.times import CHINA
from pipelines.warehouse.loading.records import clean_replies, clean_reports
from pipelines.warehouse.loading.rows import LoadedFile, Reject, Tables, frame_of


def tables_of_segment(landing: Landing, source_file: str) -> Tables:
    """The rows of core that one segment holds."""
    frames, pushed = read_segment(landing, source_file)
    rejects = [Reject(source_file, place, "reports", fault, "") for place, fault in pushed.faults.items()]
    tables: Tables = {}
    for contract, records in ((Reports, pushed.reports), (Replies, pushed.replies)):
        tables[contract], bad = split(contract, cleaned(records, frames, source_file))
        rejects += [
            Reject(source_file, records.push[row], records.kind, reason, records.raw(row))
            for row, reason in bad.iter_rows()
        ]
    record_count = len(pushed.reports.push) + len(pushed.replies.push) + len(pushed.faults)
    tables[Rejects] = frame_of(Rejects, rejects)
    tables[Files] = frame_of(Files, [LoadedFile.of(source_file, "pushes", record_count, len(rejects))])
    return tables


def read_segment(landing: Landing, source_file: str) -> tuple[list[Frame], Pushed]:
    """The frames of a segment and their records; a damaged frame is a fault."""
    frames = landing.pushes.read(source_file)
    pushed = read_pushes([frame.body if frame.is_whole else b"" for frame in frames])
    damaged = {place: "the segment is damaged here" for place, frame in enumerate(frames) if not frame.is_whole}
    return frames, replace(pushed, faults={**pushed.faults, **damaged})


def cleaned(records: PushedRecords, frames: Sequence[Frame], source_file: str) -> pl.DataFrame:
    """The records of the frames in the columns of their table, row for row, not checked yet."""
    columns = records.columns | {"extra": records.extra}
    received_at = [datetime.fromisoformat(frames[push].head["received_at"]).astimezone(CHINA) for push in records.push]
    received = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)).with_columns(
        channel=pl.lit("push"),
        source_file=pl.lit(source_file),
        received_at=pl.Series(received_at, dtype=schema_of(Reports)["received_at"]),
    )
    return clean_reports(received) if records.kind == "reports" else clean_replies(received)

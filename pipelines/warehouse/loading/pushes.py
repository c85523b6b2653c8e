"""Sealed segments of pushes, turned into rows; nothing is written here.

Every record of a push is one checked row or one row of core.rejects, as with the records of a call. A push that can't
be read is one reject; its position is that of the push in its segment.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Segment:
    """The frames of one segment."""

    source_file: str
    frames: Sequence[Frame]

    @property
    def size(self) -> int:
        """Bytes of all bodies."""
        return sum(len(frame.body) for frame in self.frames)


def read_segments(landing: Landing, source_files: Iterable[str]) -> Iterator[Segment]:
    """Read segments one after the other."""
    for source_file, frames in landing.pushes.read_all(source_files):
        yield Segment(source_file, frames)


def tables_of_segments(segments: Sequence[Segment]) -> Tables:
    """The rows of core that some segments hold."""
    frames = [frame for segment in segments for frame in segment.frames]
    source_files = [segment.source_file for segment in segments for _ in segment.frames]
    places = [place for segment in segments for place in range(len(segment.frames))]
    pushed = _read(frames)
    rejects = [
        Reject(source_files[push], places[push], "reports", fault, "") for push, fault in sorted(pushed.faults.items())
    ]
    counts = Counter(source_files[push] for push in pushed.faults)
    tables: Tables = {}
    for contract, records in ((Reports, pushed.reports), (Replies, pushed.replies)):
        counts.update(source_files[push] for push in records.push)
        tables[contract], bad = split(contract, cleaned(records, frames, source_files))
        rejects += [
            Reject(source_files[records.push[row]], places[records.push[row]], records.kind, reason, records.raw(row))
            for row, reason in bad.iter_rows()
        ]
    rejected_counts = Counter(reject.source_file for reject in rejects)
    files = [
        LoadedFile.of(name, "pushes", counts[name], rejected_counts[name])
        for name in (segment.source_file for segment in segments)
    ]
    tables[Rejects] = frame_of(Rejects, rejects)
    tables[Files] = frame_of(Files, files)
    return tables


def read_segment(landing: Landing, source_file: str) -> tuple[list[Frame], Pushed]:
    """The frames of a segment and their records; a damaged frame is a fault."""
    frames = landing.pushes.read(source_file)
    return frames, _read(frames)


def _read(frames: Sequence[Frame]) -> Pushed:
    pushed = read_pushes([frame.body if frame.is_whole else b"" for frame in frames])
    damaged = {place: "the segment is damaged here" for place, frame in enumerate(frames) if not frame.is_whole}
    return replace(pushed, faults={**pushed.faults, **damaged})


def cleaned(records: PushedRecords, frames: Sequence[Frame], source_files: Sequence[str]) -> pl.DataFrame:
    """The records of frames, each of its source file, in the columns of their table, row for row, not checked yet."""
    columns = records.columns | {"extra": records.extra}
    received_at = [datetime.fromisoformat(frames[push].head["received_at"]).astimezone(CHINA) for push in records.push]
    received = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)).with_columns(
        channel=pl.lit("push"),
        source_file=pl.Series([source_files[push] for push in records.push], dtype=pl.String),
        received_at=pl.Series(received_at, dtype=schema_of(Reports)["received_at"]),
    )
    return clean_reports(received) if records.kind == "reports" else clean_replies(received)

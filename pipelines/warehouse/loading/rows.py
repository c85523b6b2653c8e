"""Rows that the readers of the landing give to the load: those for tables of core, and rejects."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Self

import polars as pl

from pipelines.contracts import Contract, schema_of
from pipelines.times import EARLIEST_INSTANT, LATEST_INSTANT

# Rows for tables of the warehouse, by the contract of the table; every frame has a column source_file.
Tables = dict[type[Contract], pl.DataFrame]

WHOLE_FILE: Final = -1  # position of a reject that is a whole file


class Reject(NamedTuple):
    """A row of core.rejects."""

    source_file: str
    position: int
    kind: str
    reason: str
    raw_record: str


class LoadedFile(NamedTuple):
    """A row of core.files."""

    source_file: str
    kind: str
    record_count: int
    accepted_count: int
    rejected_count: int

    @classmethod
    def of(cls, source_file: str, kind: str, record_count: int, rejected_count: int = 0) -> Self:
        return cls(source_file, kind, record_count, record_count - rejected_count, rejected_count)


def frame_of(contract: type[Contract], rows: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
    """A frame of rows of Python values in the order of the contract's columns."""
    return pl.DataFrame(rows, schema=schema_of(contract), orient="row")


def plausible(instant: pl.Expr) -> pl.Expr:
    """Instants with null for those that no contract accepts: pandera fails to show a year such as 262000."""
    return pl.when(instant.is_between(EARLIEST_INSTANT, LATEST_INSTANT, closed="left")).then(instant)

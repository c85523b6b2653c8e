"""A reconcile beside a full run of the same loaded tables: they must agree in every computed table and in all checks.

A reconcile computes what changed since the one before. Without its row in core.computed it computes everything, so a
copy of the file without that row is the judge of the file.
"""

import shutil
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from pipelines.contracts import kind_of, table_of
from pipelines.contracts.marts import MARTS
from pipelines.contracts.reconciled import RECONCILED
from pipelines.settings import BillingSettings, PolicySettings, Settings, WarehouseSettings
from pipelines.warehouse import reconcile as reconciling
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.reconcile import ReconcileSummary
from tests.property.agreement import Row, assert_same
from tests.property.happenings import AMBIGUOUS_OPT_OUT_WORDS, OPT_OUT_WORDS, World
from tests.property.landed import Landed
from tests.support import compared

Tables = dict[str, list[Row]]

COMPUTED = tuple(name for name in map(table_of, (*RECONCILED, *MARTS)) if compared.is_compared(name))


_REFERENCE = {table_of(contract) for contract in RECONCILED if kind_of(contract) == "reference"}
_DIGEST = "SELECT count(*) AS row_count, sum(hash(t)) AS row_hash FROM ({}) AS t"


@dataclass(frozen=True)
class Closing:
    """The clock and the settings with which books are closed."""

    as_of: datetime
    report_window_hours: int = 72
    hard_failures: int = 2
    price_per_segment: float | None = None
    opt_out_words: tuple[str, ...] = OPT_OUT_WORDS
    ambiguous_opt_out_words: tuple[str, ...] = AMBIGUOUS_OPT_OUT_WORDS

    @classmethod
    def of(cls, world: World) -> "Closing":
        return cls(world.as_of, world.report_window_hours, world.hard_failures, world.price_per_segment)

    def settings(self, folder: Path) -> Settings:
        """The same as settings of an installation, for the operations that take these."""
        return Settings(
            data_dir=folder,
            policy=PolicySettings(
                report_window_hours=self.report_window_hours,
                hard_failures=self.hard_failures,
                opt_out_words=self.opt_out_words,
                ambiguous_opt_out_words=self.ambiguous_opt_out_words,
            ),
            billing=BillingSettings(price_per_segment=self.price_per_segment),
            warehouse=WarehouseSettings(threads=1),
        )


def reconcile(warehouse: Warehouse, closing: Closing) -> ReconcileSummary:
    return reconciling.reconcile(warehouse, **asdict(closing))


def run_in_full(place: Landed, closing: Closing) -> tuple[Warehouse, ReconcileSummary]:
    """A copy of the warehouse beside it in which everything is computed."""
    copy = Warehouse(place.folder / "full.duckdb", place.warehouse.settings)
    shutil.copy(place.warehouse.path, copy.path)
    with copy.write() as connection:
        connection.execute("DELETE FROM core.computed")
    return copy, reconcile(copy, closing)


def tables_of(warehouse: Warehouse) -> Tables:
    """The rows of all computed tables; of a reference table, which may be long, one row with a hash."""
    with warehouse.read() as connection:
        tables = {}
        for name in COMPUTED:
            query = compared.query(name)
            result = connection.execute(_DIGEST.format(query) if name in _REFERENCE else query)
            columns = [column for column, *_ in result.description]
            tables[name] = [dict(zip(columns, row, strict=True)) for row in result.fetchall()]
        return tables


def assert_as_in_full(place: Landed, closing: Closing, summary: ReconcileSummary) -> Tables:
    """Fails if a table of the warehouse, or the summary, isn't that of a full run; returns the tables."""
    full, full_summary = run_in_full(place, closing)
    tables = tables_of(place.warehouse)
    assert_same(tables, tables_of(full), names=("the reconcile", "a full run"))
    assert summary == full_summary
    return tables

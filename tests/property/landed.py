"""Worlds landed for real: plans, a journal, calls, exports and lists on disk, and a DuckDB file made of them."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.sax.saxutils import escape

import duckdb
import polars as pl

from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.journal.records import CampaignRecord
from pipelines.campaign.plan import write_plan
from pipelines.campaign.suppressions import land_entries
from pipelines.contracts import Contract, schema_of, table_of
from pipelines.contracts.core import Recipients
from pipelines.landing.calls import Call
from pipelines.landing.imports import Import
from pipelines.landing.landing import Landing
from pipelines.landing.segments.frames import frame_bytes
from pipelines.message_ids import POSITION_BITS
from pipelines.settings import WarehouseSettings
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.loading.load import load
from pipelines.warehouse.reconcile import ReconcileSummary, reconcile
from tests.property.happenings import (
    AMBIGUOUS_OPT_OUT_WORDS,
    OPT_OUT_WORDS,
    Campaign,
    Event,
    Happening,
    Imported,
    Listed,
    Pulled,
    Pushed,
    Record,
    World,
)
from tests.support import compared

Rows = list[dict[str, Any]]

_SNAKE = re.compile("[A-Z]")
_PLANNED = ("campaign_id", "owner")  # what a plan has not
_EXPORT = {"phone": "destId", "code": "receiveRealStatus", "stat_time": "statTime", "mission_num": "missionNum"}
_EXPORT |= {"batch_num": "batchNum"}


@dataclass
class Landed:
    """A landing and its warehouse; `files` are the calls, pushes, exports and lists in it, by their paths."""

    folder: Path
    files: dict[str, Happening] = field(default_factory=dict)

    @property
    def landing(self) -> Landing:
        return Landing(self.folder / "landing")

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.folder / "warehouse.duckdb", WarehouseSettings(threads=1))

    def land(self, happenings: Iterable[Happening]) -> None:
        with Journal.open(self.landing.journal_path) as journal:
            for happening in happenings:
                if isinstance(happening, Campaign):
                    _plan(self.landing, journal, happening)
                elif isinstance(happening, Event):
                    _journal(journal, happening)
                elif isinstance(happening, Pulled):
                    self.files[self.landing.calls.land(_call(happening))] = happening
                elif isinstance(happening, Pushed):
                    self.files[self._push(happening)] = happening
                elif isinstance(happening, Imported):
                    self.files[self.landing.imports.land(_import(happening))] = happening
                else:
                    self.files[self._list(happening)] = happening

    def close_books(self, world: World) -> ReconcileSummary:
        """Load what is new, and reconcile."""
        load(self.landing, self.warehouse)
        return reconcile(
            self.warehouse,
            as_of=world.as_of,
            report_window_hours=world.report_window_hours,
            hard_failures=world.hard_failures,
            price_per_segment=world.price_per_segment,
            opt_out_words=OPT_OUT_WORDS,
            ambiguous_opt_out_words=AMBIGUOUS_OPT_OUT_WORDS,
        )

    def tables(self, contracts: Iterable[type[Contract]]) -> dict[str, Rows]:
        """The rows of these tables, and of the views of matches those that are for a message of ours."""
        with self.warehouse.read() as connection:
            return {
                name: _rows(connection.execute(f"{compared.query(name)} {_ONLY_OURS if name in _OF_ANYBODY else ''}"))
                for name in map(table_of, contracts)
                if compared.is_compared(name)
            }

    def _push(self, pushed: Pushed) -> str:
        path = self.landing.pushes.new_path(pushed.pushed_at)
        path = path.with_name(f"{path.stem}-{len(self.files)}.segment")  # some begin at one instant
        head = {"received_at": pushed.pushed_at.isoformat(), "peer": "127.0.0.1"}
        path.write_bytes(b"".join(frame_bytes(head, _xml(pushed, record)) for record in pushed.records))
        return path.relative_to(self.landing.root).as_posix()

    def _list(self, listed: Listed) -> str:
        columns = ("phone", "reason", "since_at", "is_removed")
        entries = pl.DataFrame(listed.entries, schema=columns, orient="row")
        return land_entries(self.landing, entries, name=f"list{len(self.files)}", at=listed.landed_at)


# A report that only looks as if it were for one of our messages stands in these under an invalid id.
_OF_ANYBODY = ("core.report_matches", "core.repeated_messages")
_ONLY_OURS = "SEMI JOIN core.recipients USING (message_id)"


@contextmanager
def landed(steps: Iterable[Iterable[Happening]]) -> Iterator[Landed]:
    """All that happened, landed in a folder of its own; nothing is loaded yet."""
    with TemporaryDirectory() as folder:
        place = Landed(Path(folder))
        for step in steps:
            place.land(step)
        yield place


def _rows(result: duckdb.DuckDBPyConnection) -> Rows:
    columns = [name for name, *_ in result.description]
    return [dict(zip(columns, row, strict=True)) for row in result.fetchall()]


def _plan(landing: Landing, journal: Journal, campaign: Campaign) -> None:
    types = {name: kind for name, kind in schema_of(Recipients).items() if name not in _PLANNED}
    rows = [
        {name: getattr(row, name, None) for name in types}
        | {"message_id": None if row.position is None else (campaign.key << POSITION_BITS) + row.position}
        for row in campaign.rows
    ]
    write_plan(pl.DataFrame(rows, schema=types), landing.campaigns.plan_path(campaign.campaign_id))
    messages = campaign.messages
    journal.register(
        CampaignRecord(
            campaign_id=campaign.campaign_id,
            campaign_key=campaign.key,
            planned_at=campaign.planned_at,
            input_sha256=campaign.campaign_id,
            row_count=len(campaign.rows),
            message_count=len(messages),
            segment_count=sum(row.segment_count or 0 for row in messages),
            planned_batch_count=len({row.planned_batch for row in messages}),
            has_own_mission_nums=campaign.has_own_mission_nums,
            has_secret_key=campaign.has_secret_key,
        )
    )


def _journal(journal: Journal, event: Event) -> None:
    if event.event == "paused":
        journal.paused(event.campaign_id, event.detail or "", at=event.happened_at)
        return
    if event.campaign_id not in journal._epochs:  # once for each campaign, since it is synced to disk
        journal.take_over(event.campaign_id)
    if event.event == "sending":
        journal.sending(
            event.campaign_id,
            event.batch_num or "",
            planned_batch=event.planned_batch,
            first_position=event.first,
            last_position=event.last,
            attempt=event.attempt,
            at=event.happened_at,
        )
    elif event.event == "repeating":
        journal.repeating(event.campaign_id, event.batch_num or "", at=event.happened_at)
    elif event.decided_by is not None:
        journal.decide(
            event.campaign_id,
            [event.batch_num or ""],
            event.event,
            by=event.decided_by,
            reason=event.detail,
            at=event.happened_at,
        )
    else:
        journal.outcome(
            event.campaign_id,
            event.batch_num or "",
            event.event,
            at=event.happened_at,
            error_code=event.error_code,
            http_status=event.http_status,
            answer_ms=event.answer_ms,
            detail=event.detail,
        )


def _call(pulled: Pulled) -> Call:
    if pulled.records is None:
        body = b"" if pulled.http_status is None else b"<html>"
    else:
        answer: dict[str, Any] = {"errorCode": pulled.error_code, "errorMsg": ""}
        if pulled.error_code == "000000":
            answer |= {"count": pulled.balance} if pulled.kind == "balance" else {"records": pulled.records}
        body = json.dumps(answer, ensure_ascii=False).encode()
    return Call(
        kind=pulled.kind,
        called_at=pulled.called_at,
        answer_ms=7,
        format="json",
        day=pulled.day,
        http_status=pulled.http_status,
        failure="TimeoutException" if pulled.http_status is None else None,
        body=body,
    )


def _xml(pushed: Pushed, record: Record) -> bytes:
    """A push as the vendor writes it; what is null is left out."""
    named = {_SNAKE.sub(lambda big: f"_{big[0].lower()}", name): value for name, value in record.items()}
    fields = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in named.items() if value is not None)
    body = f"<records><record>{fields}</record></records>" if pushed.kind == "reports" else f"<dest>{fields}</dest>"
    return f"<xml><head><time_stamp>{pushed.stamp}</time_stamp></head><body>{body}</body></xml>".encode()


def _import(imported: Imported) -> Import:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_EXPORT)
    writer.writerows([[record[name] for name in _EXPORT.values()] for record in imported.records])
    return Import(
        kind="reports",
        imported_at=imported.imported_at,
        file_name="export.csv",
        mapping={name: name for name in _EXPORT},
        body=text.getvalue().encode(),
    )

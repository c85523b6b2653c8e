"""A published copy with two old campaigns of two variants, and a young one with few reports yet."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.warehouse.publish import publish
from pipelines.warehouse.reconcile import reconcile
from pipelines.warehouse.version_note import PhoneHash
from tests.sql.cases import ARGUMENTS, filled

ODD_COLUMN = 'a/b~c "d".e'


@dataclass(frozen=True)
class Sent:
    """One message; its `fate` is delivered, failed, unreported or, in the young campaign, accepted."""

    campaign_id: str
    position: int
    owner: dict[str, Any] | None
    fate: str


def _sent() -> list[Sent]:
    """The messages of all campaigns, in the order of their rows."""
    fates = {
        ("spring", "A"): {"delivered": 150, "failed": 40, "unreported": 10},
        ("spring", "B"): {"delivered": 185, "failed": 12, "unreported": 3},
        ("spring", None): {"delivered": 5, "failed": 1},
        ("autumn", "A"): {"delivered": 170, "failed": 25, "unreported": 5},
        ("young", "A"): {"delivered": 30, "failed": 1, "accepted": 69},
        ("young", "B"): {"delivered": 10, "failed": 21, "accepted": 69},
    }
    sent: list[Sent] = []
    at: Counter[str] = Counter()
    for (campaign_id, variant), counts in fates.items():
        for fate, count in counts.items():
            for _ in range(count):
                position = at[campaign_id]
                owner = {"variant": variant, "tier": position % 3, ODD_COLUMN: "x"} if position % 50 else None
                sent.append(Sent(campaign_id, position, owner if variant else {"variant": None}, fate))
                at[campaign_id] += 1
    return sent


SENT = _sent()
CAMPAIGNS = {name: place for place, name in enumerate(("spring", "autumn", "young"))}


def publish_campaigns(data_dir: Path) -> None:
    """Reconcile and publish the campaigns beneath `data_dir`."""
    case = data_dir / "case"
    case.mkdir()
    _write(case / "core.campaigns.csv", "campaign_id,campaign_key,row_count,message_count,segment_count", _campaigns())
    _write(
        case / "core.batches.csv",
        "batch_num,campaign_id,planned_batch,first_message_id,last_message_id,message_count,state,submitted_at",
        _batches(),
    )
    _write(
        case / "core.recipients.csv",
        "campaign_id,input_row,message_id,disposition,phone,planned_batch,segment_count,owner",
        (
            [m.campaign_id, m.position, _id(m), "planned", _phone(m), 0, 1, m.owner and json.dumps(m.owner)]
            for m in SENT
        ),
    )
    _write(
        case / "core.reports.csv",
        "message_id,mission_num,phone,code,is_delivered,stat_time",
        (
            [_id(m), _id(m), _phone(m), {"delivered": "DELIVRD", "failed": "MK:0001"}[m.fate], m.fate == "delivered", t]
            for t in ["2026-11-09 20:00:00+08"]
            for m in SENT
            if m.fate in {"delivered", "failed"}
        ),
    )
    warehouse = filled(data_dir / "warehouse.duckdb", case)
    assert reconcile(warehouse, **ARGUMENTS).is_balanced
    publish(warehouse, data_dir / "published", phone_hash=PhoneHash("0123456789abcdef" * 4))


def _id(message: Sent) -> int:
    return (CAMPAIGNS[message.campaign_id] << 28) + message.position


def _phone(message: Sent) -> str:
    return f"138{CAMPAIGNS[message.campaign_id]}{message.position:07}"


def _campaigns() -> Iterator[list[object]]:
    for campaign_id, key in CAMPAIGNS.items():
        count = sum(message.campaign_id == campaign_id for message in SENT)
        yield [campaign_id, key, count, count, count]


def _batches() -> Iterator[list[object]]:
    for campaign_id, key, count, *_ in _campaigns():
        first, day = int(str(key)) << 28, 9 if campaign_id == "young" else 2
        last = first + int(str(count)) - 1
        yield [f"B-{campaign_id}", campaign_id, 0, first, last, count, "accepted", f"2026-11-{day:02} 08:00:00+08"]


def _write(path: Path, header: str, rows: Any) -> None:
    def cell(value: object) -> str:
        return "" if value is None else '"' + str(value).replace('"', '""') + '"'

    path.write_text("\n".join([header, *(",".join(map(cell, row)) for row in rows)]), encoding="utf-8")

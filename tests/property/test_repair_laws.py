"""A repaired journal: whoever may have got the message is settled, nobody is settled twice, no number is used again."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipelines.campaign.high_water import HighWater, Lost
from pipelines.campaign.journal.records import SETTLED_STATES, BatchRecord, BatchState, CampaignRecord
from pipelines.campaign.plan import write_plan
from pipelines.campaign.unsent_ranges import SendRange, unsent_ranges
from pipelines.landing.landing import Landing
from pipelines.message_ids import MAX_MESSAGES, batch_num, message_id, mission_num
from pipelines.operations.journal_repair import repair_of

AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
KEY = 7
BATCH_SIZE = 4

# What the gateway does with a request: its state in the journal, and if the messages were accepted.
ANSWERS: dict[str, tuple[BatchState, bool]] = {
    "accepted": ("accepted", True),
    "refused": ("refused", False),
    "too_fast": ("not_sent", False),
    "split": ("split", False),
    "in_doubt": ("in_doubt", False),
    "in_doubt_and_accepted": ("in_doubt", True),
}


class History(NamedTuple):
    """A campaign as it was sent: its batches in their order, and the positions that were accepted, by batch_num."""

    message_count: int
    batches: list[BatchRecord]
    accepted: dict[str, range]

    @property
    def planned(self) -> list[tuple[int, int, int]]:
        firsts = range(0, self.message_count, BATCH_SIZE)
        return [(number, first, min(first + BATCH_SIZE, self.message_count) - 1) for number, first in enumerate(firsts)]


@st.composite
def histories(draw: st.DrawFn) -> History:
    history = History(draw(st.integers(1, 30)), [], {})
    waiting = unsent_ranges(history.planned, [])
    for answer in draw(st.lists(st.sampled_from([*ANSWERS, *["accepted"] * 6]), min_size=1, max_size=14)):
        if not waiting:
            break
        sent = waiting.pop(0)
        state, is_accepted = ANSWERS[answer]
        if state == "split" and sent.message_count == 1:
            state = "refused"
        name = batch_num(KEY, len(history.batches) + 1)
        history.batches.append(_batch(name, sent, state))
        if is_accepted:
            history.accepted[name] = range(sent.first_position, sent.last_position + 1)
        waiting[:0] = {"split": [*sent.halves()], "not_sent": [sent.again()]}.get(state, [])
    return history


def _batch(name: str, sent: SendRange, state: BatchState) -> BatchRecord:
    return BatchRecord(
        name, "c", **sent.journaled, state=state, error_code=None, http_status=None, detail=None,
        sent_at=AT, answered_at=AT, answer_ms=1, decided_by=None,
    )  # fmt: skip


def _landing(folder: str, history: History) -> tuple[Landing, CampaignRecord]:
    landing = Landing(Path(folder))
    position = pl.int_range(history.message_count, eager=True)
    plan = pl.DataFrame({"position": position}).select(
        message_id=message_id(KEY, pl.col("position")),
        mission_num=mission_num(KEY, pl.col("position")),
        phone=pl.col("position").map_elements(_phone, pl.String),
        planned_batch=(pl.col("position") // BATCH_SIZE).cast(pl.Int32),
        segment_count=pl.lit(1),
    )
    write_plan(plan, landing.campaigns.plan_path("c"))
    count = history.message_count
    return landing, CampaignRecord("c", KEY, AT, "", count, count, count, len(history.planned), False)


def _phone(position: int) -> str:
    return str(13800000000 + position)


@given(history=histories(), draw=st.data())
def test_after_a_repair_nobody_who_may_have_got_it_gets_it_again(history: History, draw: st.DataObject) -> None:
    known = history.batches[: draw.draw(st.integers(0, len(history.batches)), label="batches in the journal")]
    remembered = history.batches[: draw.draw(st.integers(0, len(history.batches)), label="in the warehouse")]
    told = [(name, position) for name, positions in history.accepted.items() for position in positions]
    named = draw.draw(st.lists(st.sampled_from(told), unique=True) if told else st.just([]), label="reports")
    reports = pl.DataFrame(
        [(name, _phone(position), AT + timedelta(minutes=1)) for name, position in named],
        schema={"batch_num": pl.String, "phone": pl.String, "reported_at": pl.Datetime("us", "UTC")},
        orient="row",
    )
    left = HighWater.of(history.batches)
    is_exact = draw.draw(st.booleans(), label="the mark was not lost")
    # Of a mark that was restored too, a load has made one that doesn't know the messages; without any, it is None.
    mark = left if is_exact else HighWater(len(known), MAX_MESSAGES) if known else None
    lost = Lost("c", is_registered=bool(known), known_number=len(known), mark=mark)

    with TemporaryDirectory() as folder:
        landing, record = _landing(folder, history)
        repaired = repair_of(landing, record, lost, known=known, remembered=remembered, reports=reports)

    batches = [*known, *repaired.batches]
    settled = [at for batch in batches if batch.state in SETTLED_STATES for at in _positions(batch)]
    assert len(set(settled)) == len(settled)
    may_have_got_it = {position for positions in history.accepted.values() for position in positions}
    assert may_have_got_it <= set(settled)
    accepted = [at for batch in repaired.batches if batch.state == "accepted" for at in _positions(batch)]
    assert set(accepted) <= may_have_got_it
    names = [batch.batch_num for batch in batches]
    assert len(set(names)) == len(names)
    if is_exact:
        assert max(names) >= history.batches[-1].batch_num
        doubted = {at for batch in repaired.doubts for at in _positions(batch)}
        assert doubted <= {at for batch in history.batches for at in _positions(batch)}


def _positions(batch: BatchRecord) -> range:
    return range(batch.first_position, batch.last_position + 1)

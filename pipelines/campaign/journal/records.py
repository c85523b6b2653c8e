"""Records that the journal keeps and gives back: campaigns and batches."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

BatchState = Literal["accepted", "refused", "in_doubt", "not_sent", "split", "suppressed"]

# States after which the messages of a batch are not to be sent (again).
SETTLED_STATES: frozenset[BatchState] = frozenset({"accepted", "refused", "in_doubt", "suppressed"})


@dataclass(frozen=True)
class CampaignRecord:
    """A planned campaign; `input_sha256` binds its id to one input permanently.

    `left_out_count` is the number of files beside those of the input that were not read.
    """

    campaign_id: str
    campaign_key: int
    planned_at: datetime
    input_sha256: str
    row_count: int
    message_count: int
    segment_count: int
    planned_batch_count: int
    has_own_mission_nums: bool
    has_secret_key: bool = False
    left_out_count: int = 0


@dataclass(frozen=True)
class BatchRecord:
    """One batch and its state; positions are those of the plan, both ends included."""

    batch_num: str
    campaign_id: str
    planned_batch: int
    first_position: int
    last_position: int
    attempt: int
    state: BatchState
    error_code: str | None
    http_status: int | None
    detail: str | None
    sent_at: datetime
    answered_at: datetime | None
    answer_ms: int | None
    decided_by: str | None

    @property
    def message_count(self) -> int:
        return self.last_position - self.first_position + 1

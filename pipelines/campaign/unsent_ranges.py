"""Ranges of a plan that are to be sent: those that no settled batch covers, and batches in doubt to be repeated."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pipelines.campaign.journal.records import SETTLED_STATES, BatchRecord


@dataclass(frozen=True)
class SendRange:
    """A range of the plan that is to be sent in one request; both positions included."""

    planned_batch: int
    first_position: int
    last_position: int
    attempt: int = 1
    repeats: str | None = None  # the batch_num of the batch in doubt that this repeats
    repeat: int = 0  # number of repetitions

    @property
    def message_count(self) -> int:
        return self.last_position - self.first_position + 1

    def again(self) -> "SendRange":
        """The range for its next attempt, under a new number."""
        return replace(self, attempt=self.attempt + 1)

    def repeated(self, batch_num: str) -> "SendRange":
        """The range for a repetition under the same number."""
        return replace(self, repeats=batch_num, repeat=self.repeat + 1)

    def part(self, first_position: int, last_position: int) -> "SendRange":
        return replace(self, first_position=first_position, last_position=last_position)

    def halves(self) -> tuple["SendRange", "SendRange"]:
        middle = (self.first_position + self.last_position) // 2
        return self.again().part(self.first_position, middle), self.again().part(middle + 1, self.last_position)

    @property
    def journaled(self) -> dict[str, int]:
        """The range as arguments of `Journal.sending`."""
        return {
            "planned_batch": self.planned_batch,
            "first_position": self.first_position,
            "last_position": self.last_position,
            "attempt": self.attempt,
        }


def unsent_ranges(planned: Iterable[tuple[int, int, int]], batches: Iterable[BatchRecord]) -> list[SendRange]:
    """The ranges of planned batches (number, first, last position) that no settled batch covers, in that order."""
    settled: dict[int, list[tuple[int, int]]] = {}
    attempts: dict[int, int] = {}
    for batch in batches:
        attempts[batch.planned_batch] = max(attempts.get(batch.planned_batch, 0), batch.attempt)
        if batch.state in SETTLED_STATES:
            settled.setdefault(batch.planned_batch, []).append((batch.first_position, batch.last_position))
    send_ranges = []
    for number, first, last in planned:
        attempt = attempts.get(number, 0) + 1
        start = first
        for settled_first, settled_last in sorted(settled.get(number, ())):
            if start < settled_first:
                send_ranges.append(SendRange(number, start, settled_first - 1, attempt))
            start = settled_last + 1
        if start <= last:
            send_ranges.append(SendRange(number, start, last, attempt))
    return send_ranges


def doubts_to_repeat(batches: Iterable[BatchRecord]) -> list[SendRange]:
    """The batches in doubt as ranges to be repeated under their own numbers."""
    return [
        SendRange(batch.planned_batch, batch.first_position, batch.last_position, batch.attempt).repeated(
            batch.batch_num
        )
        for batch in batches
        if batch.state == "in_doubt"
    ]

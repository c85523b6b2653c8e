"""The parts of a plan that are to be sent: what no settled batch covers, and what is sent again to settle a doubt."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pipelines.campaign.journal import SETTLED_STATES, BatchRecord


@dataclass(frozen=True)
class SendRange:
    """A range of the plan that is to be sent in one request; both positions included."""

    planned_batch: int
    first_position: int
    last_position: int
    attempt: int = 1
    repeats: str | None = None  # the batch_num of a batch in doubt, which is sent once more as it was
    repeat: int = 0  # how many times that was tried

    @property
    def message_count(self) -> int:
        return self.last_position - self.first_position + 1

    def again(self) -> "SendRange":
        return replace(self, attempt=self.attempt + 1)

    def once_more(self, batch_num: str) -> "SendRange":
        """To be sent as it was, under the number that it had."""
        return replace(self, repeats=batch_num, repeat=self.repeat + 1)

    def part(self, first_position: int, last_position: int) -> "SendRange":
        return replace(self, first_position=first_position, last_position=last_position)

    def halves(self) -> tuple["SendRange", "SendRange"]:
        middle = (self.first_position + self.last_position) // 2
        return self.again().part(self.first_position, middle), self.again().part(middle + 1, self.last_position)

    @property
    def journaled(self) -> dict[str, int]:
        """Where it lies, as the journal takes it."""
        return {
            "planned_batch": self.planned_batch,
            "first_position": self.first_position,
            "last_position": self.last_position,
            "attempt": self.attempt,
        }


def unsent_ranges(planned: Iterable[tuple[int, int, int]], batches: Iterable[BatchRecord]) -> list[SendRange]:
    """The parts of the planned batches that no settled batch covers, in the order of the plan."""
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
    """The batches in doubt, each to be sent once more under its own number."""
    return [
        SendRange(batch.planned_batch, batch.first_position, batch.last_position, batch.attempt).once_more(
            batch.batch_num
        )
        for batch in batches
        if batch.state == "in_doubt"
    ]

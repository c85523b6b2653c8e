"""Parts of the published messages: one file each, of whole campaigns in order of planning, at most a million rows.

The borders of parts stay where they are: a new campaign is added to the last part, or begins one. So a publish writes
the parts whose campaigns have news, and the number of files depends on the rows, not on the campaigns. A part with a
quarter of a million rows gets no more campaigns, since it is written again with each.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

PART_ROWS: Final = 1_000_000
_FULL_SHARE: Final = 4  # a part with the fourth part of these is full


@dataclass(frozen=True)
class Part:
    """A file of messages: those of whole campaigns, or of one large campaign the rows from `first_row` to `end_row`.

    The row `end_row` is in the next part; None if there is no next part.
    """

    campaign_ids: tuple[str, ...]
    first_row: int = 0
    end_row: int | None = None

    def digest(self, computed_ids: Mapping[str, str]) -> str | None:
        """SHA-256 of what its rows depend on besides the statements, as hex digits.

        `computed_ids` are those of core.computed_campaigns, by campaign; None if one is missing.
        """
        if not computed_ids.keys() >= {*self.campaign_ids}:
            return None
        members = [[campaign_id, computed_ids[campaign_id]] for campaign_id in self.campaign_ids]
        return hashlib.sha256(json.dumps([members, self.first_row, self.end_row]).encode()).hexdigest()


def plan_parts(
    row_counts: Mapping[str, int], before: Iterable[Sequence[str]] = (), *, part_rows: int = PART_ROWS
) -> list[Part]:
    """The parts of these campaigns, given in order of planning with their numbers of rows.

    `before` has the campaigns of each part of the version before, in order. Parts up to the first one with a campaign
    that is gone keep their campaigns; the others are added in order of planning, each to the last part unless that
    is full or the campaign has too many rows for it. Without campaigns there is one empty part.
    """
    groups: list[list[str]] = []
    for members in before:
        if members and groups and groups[-1] == [*members]:  # the next rows of a large campaign
            continue
        if not row_counts.keys() >= {*members} or (len(members) > 1 and _rows(row_counts, members) > part_rows):
            break
        if members:
            groups.append([*members])
    placed = {campaign_id for members in groups for campaign_id in members}
    last_rows = _rows(row_counts, groups[-1]) if groups else part_rows
    for campaign_id, row_count in row_counts.items():
        if campaign_id in placed:
            continue
        is_full = last_rows * _FULL_SHARE >= part_rows
        if is_full or last_rows + row_count > part_rows or not groups:
            groups.append([])
            last_rows = 0
        groups[-1].append(campaign_id)
        last_rows += row_count
    return [part for members in groups or [[]] for part in _cut(members, _rows(row_counts, members), part_rows)]


def _rows(row_counts: Mapping[str, int], members: Sequence[str]) -> int:
    return sum(row_counts[campaign_id] for campaign_id in members)


def _cut(members: Sequence[str], row_count: int, part_rows: int) -> list[Part]:
    """One part of these campaigns, or several of equal size if they have more rows than a part may have."""
    part_count = max(1, -(-row_count // part_rows))
    size = -(-row_count // part_count)
    borders = [*range(0, part_count * size, size or 1)] or [0]
    return [
        Part((*members,), first_row, end_row) for first_row, end_row in zip(borders, [*borders[1:], None], strict=True)
    ]

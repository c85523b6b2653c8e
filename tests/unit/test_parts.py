"""Parts of the published messages: each row in one part, few parts, and borders that stay."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipelines.warehouse.parts import Part, plan_parts

PART_ROWS = 10
SIZES = st.lists(st.integers(0, 25), max_size=12)
HISTORIES = st.lists(SIZES, min_size=1, max_size=4)  # of each publish the campaigns that are new


def counts(sizes: list[int], first: int = 0) -> dict[str, int]:
    return {f"c{first + number}": size for number, size in enumerate(sizes)}


def members(parts: list[Part]) -> list[tuple[str, ...]]:
    return [part.campaign_ids for part in parts]


def after(history: list[list[int]]) -> tuple[dict[str, int], list[Part]]:
    """The campaigns and the parts after a publish for each list of new campaigns."""
    row_counts: dict[str, int] = {}
    parts: list[Part] = []
    for sizes in history:
        row_counts |= counts(sizes, len(row_counts))
        parts = plan_parts(row_counts, members(parts), part_rows=PART_ROWS)
    return row_counts, parts


def holds(row_counts: dict[str, int], parts: list[Part]) -> None:
    """Every row is in one part, none has too many, and small ones are together."""
    rows = [
        (campaign_id, row)
        for part in parts
        for campaign_id in part.campaign_ids
        for row in range(part.first_row, row_counts[campaign_id] if part.end_row is None else part.end_row)
    ]
    assert sorted(rows) == sorted((name, row) for name, count in row_counts.items() for row in range(count))
    assert {*row_counts} == {campaign_id for part in parts for campaign_id in part.campaign_ids}
    sizes = [sum(row_counts[campaign_id] for campaign_id in part.campaign_ids) for part in parts]
    for part, size in zip(parts, sizes, strict=True):
        assert size <= PART_ROWS or len(part.campaign_ids) == 1
        assert (part.end_row or size) - part.first_row <= PART_ROWS
    assert all(one * 4 >= PART_ROWS or one + other > PART_ROWS for one, other in pairwise(sizes))


@given(HISTORIES)
def test_every_row_is_in_one_part_and_the_number_of_parts_is_bounded_by_rows(history: list[list[int]]) -> None:
    holds(*after(history))


@given(HISTORIES, SIZES)
def test_a_new_campaign_moves_no_border_of_an_earlier_part(history: list[list[int]], sizes: list[int]) -> None:
    row_counts, parts = after(history)

    grown = plan_parts(row_counts | counts(sizes, len(row_counts)), members(parts), part_rows=PART_ROWS)

    assert grown[: len(parts) - 1] == parts[:-1]
    assert grown[len(parts) - 1].campaign_ids[: len(parts[-1].campaign_ids)] == parts[-1].campaign_ids


@given(HISTORIES, SIZES)
def test_a_campaign_that_was_planned_earlier_comes_last_and_moves_no_border(
    history: list[list[int]], sizes: list[int]
) -> None:
    row_counts, parts = after(history)

    grown = plan_parts(counts(sizes, len(row_counts)) | row_counts, members(parts), part_rows=PART_ROWS)

    assert grown[: len(parts) - 1] == parts[:-1]


@given(HISTORIES, st.data())
def test_parts_before_a_campaign_that_is_gone_stay_and_the_others_are_filled_again(
    history: list[list[int]], data: st.DataObject
) -> None:
    row_counts, parts = after(history)
    gone = data.draw(st.sets(st.sampled_from(sorted(row_counts)))) if row_counts else set()
    left = {name: count for name, count in row_counts.items() if name not in gone}

    refilled = plan_parts(left, members(parts), part_rows=PART_ROWS)

    holds(left, refilled)
    whole = next((number for number, part in enumerate(parts) if gone & {*part.campaign_ids}), len(parts))
    assert refilled[: max(0, whole - 1)] == parts[: max(0, whole - 1)]


def test_without_campaigns_there_is_one_empty_part() -> None:
    assert plan_parts({}) == [Part(())]


def test_a_large_campaign_is_cut_in_equal_parts() -> None:
    assert plan_parts({"a": 21, "b": 1}, part_rows=10) == [
        Part(("a",), 0, 7), Part(("a",), 7, 14), Part(("a",), 14, None), Part(("b",)),
    ]  # fmt: skip


def test_a_digest_changes_with_every_member_its_place_and_the_rows() -> None:
    ids = {"a": "1", "b": "2", "c": "3"}
    digests = [
        Part(("a", "b")).digest(ids),
        Part(("b", "a")).digest(ids),
        Part(("a",)).digest(ids),
        Part(("a", "c")).digest(ids),
        Part(("a", "b")).digest(ids | {"b": "4"}),
        Part(("a", "b"), 0, 9).digest(ids),
        Part(("a", "b"), 9).digest(ids),
    ]

    assert len({*digests}) == len(digests)
    assert Part(("a", "x")).digest(ids) is None
    assert Part(("a", "b")).digest(ids | {"c": "9"}) == digests[0]

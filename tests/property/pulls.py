"""The same world with its reports and replies pulled otherwise: in other calls, or on other days."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from tests.property.happenings import Happening, Pulled, Record, World
from tests.property.twin_landing import instant_of
from tests.property.worlds import MIDNIGHT, worlds

Draw = Callable[[st.SearchStrategy[Any]], Any]


@st.composite
def pulled_in_other_calls(draw: Draw) -> tuple[World, World]:
    """Records that came at one instant come in more calls or fewer, in another order, some repeated later.

    No replies are, if there are any without a time: an answer that lacks such a reply tells that its next is another.
    """
    world = draw(worlds())
    replies = [record for call in world.happenings if _holds_records(call, "replies") for record in call.records]
    repeated_kinds = {"reports"} | ({"replies"} if all(map(_has_its_time, replies)) else set())
    came: dict[tuple[str, datetime], list[Record]] = {}
    for call in filter(_holds_records, world.happenings):
        came.setdefault((call.kind, call.called_at), []).extend(call.records)
    calls = []
    for (kind, called_at), records in came.items():
        shuffled = draw(st.permutations(records))
        calls += [
            Pulled(kind, called_at, MIDNIGHT.date() if kind == "reports" else None, records=tuple(part))
            for part in _parts(draw, shuffled)
        ]
        if records and kind in repeated_kinds and draw(st.booleans()):
            again = tuple(draw(st.lists(st.sampled_from(records), max_size=4)))
            calls.append(
                replace(calls[-1], called_at=called_at + timedelta(hours=draw(st.integers(1, 50))), records=again)
            )
    return world, _with_calls(draw, world, calls)


@st.composite
def pulled_on_other_days(draw: Draw) -> tuple[World, World]:
    """Every record comes on some other day, in any order, some more than once.

    The later arrival decides between reports of one verdict and one stat_time, and the time of a reply that has none:
    of these the world has none.
    """
    world = _with_times_of_its_own(draw(worlds()))
    calls = []
    for kind in ("reports", "replies"):
        records = [record for call in world.happenings if _holds_records(call, kind) for record in call.records]
        repeated = draw(st.lists(st.sampled_from(records), max_size=4)) if records else []
        for part in _parts(draw, draw(st.permutations(records + repeated))):
            called_at = MIDNIGHT + timedelta(hours=draw(st.integers(0, 240)))
            day = called_at.date() if kind == "reports" else None
            calls.append(Pulled(kind, called_at, day, records=tuple(part)))
    return world, _with_calls(draw, world, calls)


def _holds_records(happening: Happening, kind: str | None = None) -> bool:
    is_answer = isinstance(happening, Pulled) and happening.error_code == "000000"
    return is_answer and bool(happening.records) and kind in {None, happening.kind}


def _parts(draw: Draw, records: Sequence[Record]) -> list[Sequence[Record]]:
    cuts = [0, *sorted(draw(st.lists(st.integers(0, len(records)), min_size=1, max_size=3))), len(records)]
    return [records[start:end] for start, end in pairwise(cuts)]


def _with_calls(draw: Draw, world: World, calls: Sequence[Pulled]) -> World:
    """The world with these calls in some of its steps, instead of those that held records."""
    steps = [[each for each in step if not _holds_records(each)] for step in world.steps]
    for call in calls:
        steps[draw(st.integers(0, len(steps) - 1))].append(call)
    return replace(world, steps=tuple(map(tuple, steps)))


def _has_its_time(reply: Record) -> bool:
    return instant_of((reply["moTime"] or "").strip()) is not None


def _with_times_of_its_own(world: World) -> World:
    """Of the reports for a phone at an instant the first alone; of the replies those that have a time."""
    firsts: dict[tuple[str, str], Record] = {}

    def is_kept(record: Record) -> bool:
        if "moTime" in record:
            return _has_its_time(record)
        phone, time = record["destId"] or "", record["statTime"] or ""
        key = phone.strip()[-11:], time.replace("T", " ").removesuffix(".0")
        return firsts.setdefault(key, record) == record

    def thinned(happening: Happening) -> Happening:
        if not hasattr(happening, "records") or not happening.records:
            return happening
        return replace(happening, records=tuple(filter(is_kept, happening.records)))

    return replace(world, steps=tuple(tuple(map(thinned, step)) for step in world.steps))

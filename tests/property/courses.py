"""Courses of a warehouse: a world that lands step by step, and what is done between the steps.

Loads and reconciles come in any order, with clocks that go forwards and backwards and, now and then, other settings;
some die. Campaigns go, people are erased, the warehouse is made again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from unittest import mock

from hypothesis import strategies as st

from pipelines import failpoints
from pipelines.failpoints import Point
from pipelines.landing.campaigns import Purged
from pipelines.operations import daily
from pipelines.operations.erasure import erase_person
from pipelines.operations.retention import apply_purge, plan_purge
from pipelines.warehouse.loading.load import load
from tests.property.happenings import OPT_OUT_WORDS, Campaign, Event, Happening, Listed, World, key_text
from tests.property.increments import Closing, assert_as_in_full, reconcile
from tests.property.landed import Landed
from tests.property.worlds import MIDNIGHT, PHONES, worlds

Draw = Callable[[st.SearchStrategy[Any]], Any]

_TICKS = count(1)


class Died(BaseException):
    """The end of an operation at a failpoint, as that of its process would be: its transaction is rolled back."""


@dataclass(frozen=True)
class Load:
    """Load what has landed; with `dies_at` it dies at that transaction's end."""

    dies_at: int | None = None

    def do(self, place: Landed) -> None:
        _until_death(lambda: load(place.landing, place.warehouse), "warehouse.before_commit", self.dies_at)


@dataclass(frozen=True)
class Close:
    """Reconcile; unless it dies, every table is that of a full run."""

    closing: Closing
    dies_at: int | None = None
    failpoint: Point = "reconcile.between_tables"

    def do(self, place: Landed) -> None:
        summary = _until_death(lambda: reconcile(place.warehouse, self.closing), self.failpoint, self.dies_at)
        if summary is not None:
            assert_as_in_full(place, self.closing, summary)
            assert summary.failed_checks == ()


@dataclass(frozen=True)
class Remove:
    """Mark a campaign as purged, as another machine would: the next load takes it out of core, its reports stay."""

    campaign_id: str

    def do(self, place: Landed) -> None:
        if place.landing.campaigns.plan_path(self.campaign_id).exists():
            place.landing.campaigns.mark_purged(Purged(self.campaign_id, MIDNIGHT, {}))


@dataclass(frozen=True)
class Suppress:
    """Put the phones that `reconcile` found on a list."""

    closing: Closing

    def do(self, place: Landed) -> None:
        settings = self.closing.settings(place.folder)
        daily.reconcile(settings, as_of=self.closing.as_of)
        daily.suppress(settings, clock=lambda: self.closing.as_of, reasons=["opted_out", "hard_code"])


@dataclass(frozen=True)
class Rebuild:
    """Make the warehouse again from the landing."""

    closing: Closing

    def do(self, place: Landed) -> None:
        daily.rebuild(self.closing.settings(place.folder), as_of=self.closing.as_of)


@dataclass(frozen=True)
class Purge:
    """Purge what is a day old, if the books can't change any more."""

    closing: Closing

    def do(self, place: Landed) -> None:
        settings = self.closing.settings(place.folder)
        agreed = plan_purge(1, settings=settings, as_of=self.closing.as_of)
        apply_purge(agreed, settings=settings, clock=lambda: self.closing.as_of)


@dataclass(frozen=True)
class Forget:
    """Erase a person's data."""

    phone: str
    closing: Closing

    def do(self, place: Landed) -> None:
        at = self.closing.as_of + next(_TICKS) * timedelta(microseconds=1)  # two erasures are never at one instant
        erase_person(self.phone, settings=self.closing.settings(place.folder), clock=lambda: at)


Act = Load | Close | Remove | Suppress | Rebuild | Purge | Forget

# After these the twin of the world no longer knows what has landed.
BEYOND_THE_TWIN = (Remove, Suppress, Purge, Forget)


@dataclass(frozen=True)
class Step:
    """Some happenings land, then these acts follow."""

    happenings: tuple[Happening, ...]
    acts: tuple[Act, ...]

    def land(self, place: Landed) -> None:
        """Land what happened, but nothing of a campaign that is gone."""
        gone = {*place.landing.campaigns.purged_ids()}
        place.land(
            each for each in self.happenings if not (isinstance(each, Campaign | Event) and each.campaign_id in gone)
        )


@dataclass(frozen=True, repr=False)
class Course:
    """A world whose steps land one after another, and the acts after each; `world` is as it is closed last."""

    world: World
    acts: tuple[tuple[Act, ...], ...]

    @property
    def steps(self) -> list[Step]:
        return [Step(*step) for step in zip(self.world.steps, self.acts, strict=True)]

    @property
    def has_twin(self) -> bool:
        return not any(isinstance(act, BEYOND_THE_TWIN) for acts in self.acts for act in acts)

    def __repr__(self) -> str:
        lines = [
            f"  {len(step.happenings)} happenings{_names(step)}; {', '.join(map(words_of, step.acts)) or 'nothing'}"
            for step in self.steps
        ]
        return "\n".join(["<a course", *lines, f"  of {self.world!r}>"])


def _names(step: Step) -> str:
    counts = {kind.__name__: 0 for kind in map(type, step.happenings)}
    for each in step.happenings:
        counts[type(each).__name__] += 1
    return f" ({', '.join(f'{count} {name}' for name, count in counts.items())})" if counts else ""


def words_of(act: Act) -> str:
    """The act with what differs from its defaults."""

    def shown(each: Any) -> str:
        told = [
            f"{field.name}={shown(value) if isinstance(value, Closing) else value}"
            for field in fields(each)
            if (value := getattr(each, field.name)) != field.default
        ]
        return f"{type(each).__name__}({', '.join(told)})"

    return shown(act)


def _until_death(operation: Callable[[], Any], failpoint: Point, dies_at: int | None) -> Any:
    """Return the result of the operation; None if it dies when it reaches the failpoint for that time."""
    if dies_at is None:
        return operation()
    left = dies_at

    def count_down() -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            raise Died

    with mock.patch.object(failpoints, "_name", failpoint), mock.patch.object(failpoints, "_count_down", count_down):
        try:
            return operation()
        except Died:
            return None


# ── Drawing ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def courses(draw: Draw, *, is_far: bool) -> Course:
    """A world of three to six campaigns, most of it at once, the rest a little at a time, and what is done meanwhile.

    Only a far course makes the warehouse again, purges or erases anybody.
    """
    world = draw(worlds(step_counts=(1, 2), campaign_counts=(3, 4, 5, 6)))
    world = replace(world, steps=_a_little_at_a_time(draw, world))
    drawn = _Acts(draw, world)
    acts = [drawn.acts(is_far=is_far) for _ in world.steps]
    acts[-1] = (*acts[-1], Load(), Close(Closing.of(world)))
    return Course(world, tuple(acts))


def _a_little_at_a_time(draw: Draw, world: World) -> tuple[tuple[Happening, ...], ...]:
    """The happenings in other steps: after the first ones each is a call, a push, an export or a list, or a part of it.

    In most worlds a campaign is planned and sent after all others, in one or two steps, and what names its batches
    comes last. So a campaign may change by one event or report, or by what belongs to another one.
    """
    campaigns = [each for each in world.happenings if isinstance(each, Campaign)]
    late = draw(st.sampled_from([None, *campaigns]))
    steps: list[list[Happening]] = [[], []]
    journal: list[Happening] = []
    of_late: list[Happening] = []
    for each in world.happenings:
        if late is not None and isinstance(each, Campaign | Event) and each.campaign_id == late.campaign_id:
            journal.append(each)
        elif late is not None and _names_batches_of(each, late):
            of_late.append(each)
        else:
            steps[draw(st.integers(0, 1)) if not isinstance(each, Campaign | Event) else 0].append(each)
    singles = [each for step in steps for each in step if not isinstance(each, Campaign | Event) and _is_worth_it(each)]
    for single in draw(st.permutations(singles))[:3]:
        for step in steps[:2]:
            if single in step:
                place = step.index(single)
                step[place : place + 1], part = _taken_apart(draw, single)
                steps.append(part)
                break
    if late is not None:
        cut = draw(st.integers(1, len(journal)))
        place = draw(st.integers(2, len(steps)))
        steps[place:place] = [journal[:cut], journal[cut:]]
        steps.append(of_late)
    return tuple(tuple(step) for step in steps if step)


def _is_worth_it(happening: Happening) -> bool:
    return isinstance(happening, Listed) or bool(getattr(happening, "records", None))


def _names_batches_of(happening: Happening, campaign: Campaign) -> bool:
    records = getattr(happening, "records", None) or ()
    return any((record.get("batchNum") or "").startswith(key_text(campaign.key)) for record in records)


def _taken_apart(draw: Draw, happening: Happening) -> tuple[list[Happening], list[Happening]]:
    """Return the rest of a happening, and a part that comes later: some of its records, or all of it."""
    if isinstance(happening, Listed):
        return [], [happening]
    first = draw(st.integers(0, len(happening.records) - 1))
    end = first + draw(st.integers(1, 2))
    rest = happening.records[:first] + happening.records[end:]
    later = replace(happening, records=happening.records[first:end])
    return [replace(happening, records=rest)] if rest else [], [later]


class _Acts:
    """Draws acts; settings change seldom, since then everything is computed, which would heal a mistake."""

    def __init__(self, draw: Draw, world: World) -> None:
        self.draw = draw
        self.world = world
        self.closing = Closing.of(world)
        self.sent_at = [each.happened_at for each in world.happenings if _is_sending(each)]

    def chance(self, one_in: int) -> bool:
        return bool(self.draw(st.integers(1, one_in)) == one_in)

    def among(self, values: Sequence[Any]) -> Any:
        return self.draw(st.sampled_from(values))

    def acts(self, *, is_far: bool) -> tuple[Act, ...]:
        """The acts after a step: mostly one load and one reconcile."""
        kinds = (*["close"] * 7, "load", "twice", "die", "remove", "remove", "suppress")
        kind = self.among(kinds + (("nothing", "rebuild", "purge", "forget") if is_far else ()))
        closing = self.next_closing()
        return {
            "close": (Load(), Close(closing)),
            "load": (Load(),),
            "nothing": (),
            "twice": (Load(), Close(closing), Close(self.next_closing())),
            "die": (Load(self.among((None, 1, 2, 4))), Close(closing, *self.death()), Load(), Close(closing)),
            "remove": (Remove(self.among("abcdef")), Load(), Close(closing)),
            "suppress": (Load(), Suppress(closing), Load(), Close(closing)),
            "rebuild": (Rebuild(closing), Close(closing)),
            "purge": (Purge(replace(closing, as_of=closing.as_of + timedelta(days=9))), Close(closing)),
            "forget": (Forget(self.among(PHONES), closing), Close(closing)),
        }[kind]

    def death(self) -> tuple[int, Point]:
        if self.chance(3):
            return 1, "warehouse.before_commit"
        return self.draw(st.integers(1, 25)), "reconcile.between_tables"

    def next_closing(self) -> Closing:
        self.closing = replace(self.closing, as_of=self.as_of())
        if self.chance(10):
            setting, values = self.among(_SETTINGS)
            self.closing = replace(self.closing, **{setting: self.among(values)})
        return self.closing

    def as_of(self) -> datetime:
        """The same as before, another day, or the end of a report window, to the microsecond."""
        if not self.chance(3):
            return self.closing.as_of
        if self.sent_at and self.chance(2):
            window = timedelta(hours=self.closing.report_window_hours)
            return self.among(self.sent_at) + window + timedelta(microseconds=self.among((0, 1, -1)))
        return MIDNIGHT + timedelta(days=self.among((1, 3, 4, 5, 9)), hours=self.among((0, 12)))


_SETTINGS = (
    ("report_window_hours", (72, 30, 24)),
    ("hard_failures", (1, 2)),
    ("price_per_segment", (0.05, None)),
    ("opt_out_words", (OPT_OUT_WORDS, OPT_OUT_WORDS[1:])),
)


def _is_sending(happening: Happening) -> bool:
    return isinstance(happening, Event) and happening.event == "sending"

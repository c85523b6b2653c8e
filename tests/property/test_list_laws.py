"""The planner and a slow, obvious twin in plain Python agree which phones are suppressed."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipelines.campaign.suppressions import land_entries, suppressed_phones
from pipelines.landing.landing import Landing

AT = datetime(2026, 11, 22, tzinfo=UTC)
NUMBERS = ("13800000001", "13800000002", "19900000003")

Entry = tuple[str, str | None, datetime, bool]

PREFIXES = ("", "86", "+86 ", "0086-")

ENTRIES = st.tuples(
    st.builds(lambda prefix, number: prefix + number, st.sampled_from(PREFIXES), st.sampled_from(NUMBERS)),
    st.sampled_from(("opted_out", "complained", None)),
    st.integers(0, 3).map(lambda hours: AT + timedelta(hours=hours)),
    st.booleans(),
)


def listed(entries: list[Entry]) -> dict[str, tuple[str, datetime]]:
    """Phone → reason and since when: the earliest entry after the phone was last taken off."""
    found: dict[str, tuple[str, datetime]] = {}
    for number in NUMBERS:
        own = [entry for entry in entries if entry[0].endswith(number)]
        removals = [since_at for _, _, since_at, is_removed in own if is_removed]
        counting = [
            (since_at, reason or "listed")
            for _, reason, since_at, is_removed in own
            if not is_removed and all(since_at > removed_at for removed_at in removals)
        ]
        if counting:
            since_at, reason = min(counting)
            found[number] = reason, since_at
    return found


@given(lists=st.lists(st.lists(ENTRIES, min_size=1, max_size=5), max_size=3))
def test_who_is_on_a_list_is_who_the_twin_says_however_the_entries_are_shared_out(lists: list[list[Entry]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        landing = Landing(Path(folder))
        for number, entries in enumerate(lists):
            frame = pl.DataFrame(entries, schema=["phone", "reason", "since_at", "is_removed"], orient="row")
            land_entries(landing, frame, name=f"list{number}", at=AT)
        rows = suppressed_phones(landing).rows()

    assert {phone: (reason, since_at) for phone, reason, since_at in rows} == listed(
        [entry for entries in lists for entry in entries]
    )
    assert len(rows) == len({phone for phone, _, _ in rows})

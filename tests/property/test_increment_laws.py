"""The law of increments: after any course of loads and runs every table is that of a full run, and that of the twin."""

import pytest
from hypothesis import given, note

from tests.property.agreement import assert_same
from tests.property.books import books_of, twin_of
from tests.property.courses import Course, courses, words_of
from tests.property.landed import landed
from tests.property.lanes import on
from tests.support.depth import cases


# A course takes some seconds, so the deep lane tries a few at a time, each within the time of a test.
@pytest.mark.parametrize("_part", range(cases(fast=1, deep=12)))
@on(fast=1, deep=5)
@given(course=courses(is_far=cases(fast=False, deep=True)))
def test_after_every_run_all_tables_are_those_of_a_full_run_and_in_the_end_those_of_the_twin(
    _part: int, course: Course
) -> None:
    with landed([]) as place:
        for number, step in enumerate(course.steps, 1):
            step.land(place)
            for act in step.acts:
                note(f"step {number}: {words_of(act)}")
                act.do(place)

        if course.has_twin:
            assert_same(books_of(place), twin_of(course.world, place), names=("SQL", "the twin"))

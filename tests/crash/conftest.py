"""Fixture with the two processes that start all commands of these tests."""

from collections.abc import Iterator

import pytest

from tests.support.starters import Starter, starters


@pytest.fixture(scope="session")
def two_starters() -> Iterator[list[Starter]]:
    with starters(2) as both:
        yield both

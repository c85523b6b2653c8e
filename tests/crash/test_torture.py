"""A death at every named point, and in the deep lane 200 more at random moments; `make torture` has thousands."""

from pathlib import Path

import pytest

from tests.crash.life import LIVED, PHASES, life, points_of
from tests.support.depth import cases

pytestmark = pytest.mark.usefixtures("journal_place")

SEEDS = cases(fast=(0, 3), deep=(0, 1, 2, 3))  # 0 and 3 have all choices of gateways; they share out the points
LIVED_THROUGH = cases(fast=PHASES[1::2], deep=PHASES)
RANDOM_LIVES = 8
KILLS = 25


@pytest.mark.cases(len(LIVED) // len(SEEDS))
@pytest.mark.parametrize("seed", SEEDS)
def test_the_laws_hold_at_whichever_point_a_process_dies(tmp_path: Path, seed: int) -> None:
    points = LIVED[SEEDS.index(seed) :: len(SEEDS)]

    with life(tmp_path, seed) as lived:
        lived.live_through(points, phases=LIVED_THROUGH)

    assert set(points) <= lived.deaths.keys()


@pytest.mark.deep
@pytest.mark.cases(KILLS)
@pytest.mark.parametrize("seed", range(RANDOM_LIVES))
def test_the_laws_hold_whenever_a_process_dies(tmp_path: Path, seed: int) -> None:
    with life(tmp_path, seed) as lived:
        lived.live(KILLS)

    assert set(points_of(seed)) <= lived.deaths.keys()
    assert lived.deaths.total() >= KILLS


def test_consecutive_seeds_of_the_torture_die_at_every_point() -> None:
    assert {point for seed in range(RANDOM_LIVES) for point in points_of(seed)} == set(LIVED)

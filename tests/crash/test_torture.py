"""Two hundred deaths, among them one at every named point; `make torture` has thousands."""

from pathlib import Path

import pytest

from tests.crash.life import LIVED, life, points_of
from tests.crash.places import Starter

LIVES = 8
KILLS = 25


@pytest.mark.parametrize("seed", range(LIVES))
def test_the_laws_hold_whenever_a_process_dies(tmp_path: Path, two_starters: list[Starter], seed: int) -> None:
    with life(tmp_path, two_starters, seed) as lived:
        lived.live(KILLS)

    assert set(points_of(seed)) <= lived.deaths.keys()
    assert lived.deaths.total() >= KILLS


def test_these_lives_die_at_every_point() -> None:
    assert {point for seed in range(LIVES) for point in points_of(seed)} == set(LIVED)

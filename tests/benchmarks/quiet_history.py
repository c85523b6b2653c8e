"""A run with nothing new on a long history, against the same on a tenth of it; 50 campaigns each."""

from pathlib import Path

from tests.benchmarks.history import CAMPAIGNS, Place, history, timed


def prepare(folder: Path, rows: int) -> None:
    for name, size in (("long", rows), ("short", rows // 10)):
        history(folder, campaigns=CAMPAIGNS, size=size // CAMPAIGNS).copied_to(folder / name)


def real(folder: Path, _: int) -> float:
    return timed(Place(folder / "long"))


def floor(folder: Path, _: int) -> float:
    return timed(Place(folder / "short"))

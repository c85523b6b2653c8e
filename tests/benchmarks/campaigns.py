"""A run with nothing new on many small campaigns, against as many messages in a hundredth of the campaigns."""

from pathlib import Path

from tests.benchmarks.history import Place, history, timed

SIZE = 1000  # messages of a small campaign


def prepare(folder: Path, rows: int) -> None:
    for name, size in (("many", SIZE), ("few", 100 * SIZE)):
        made = history(folder, campaigns=max(1, rows // size), size=min(size, rows))
        made.copied_to(folder / name)


def real(folder: Path, _: int) -> float:
    return timed(Place(folder / "many"))


def floor(folder: Path, _: int) -> float:
    return timed(Place(folder / "few"))

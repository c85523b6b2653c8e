"""Progress of work that takes a while, as the functions that do the work report it."""

from typing import Protocol


class Progress(Protocol):
    """Callback that shows what is being done, and how much of it is done, from 0 to 1, where that is known."""

    def __call__(self, doing: str, share: float | None = None, /) -> None: ...


def no_progress(_doing: str, _share: float | None = None, /) -> None:
    """Progress callback that does nothing."""

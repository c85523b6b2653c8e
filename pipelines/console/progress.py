"""Progress on standard error if that is a terminal; otherwise nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Display
from rich.text import Text

if TYPE_CHECKING:
    from pipelines.campaign import sender
    from pipelines.progress import Progress


class _Rate(ProgressColumn):
    """Done per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f}/s")


@contextmanager
def working(what: str) -> Iterator["Progress"]:
    """A spinner, and what is being done; the function says what it is now."""
    with _shown(SpinnerColumn(), TextColumn("{task.description}", markup=False)) as shown:
        task = shown.add_task(what, total=None)
        yield lambda now, _=None: shown.update(task, description=now)


@contextmanager
def sending() -> "Iterator[Callable[[sender.SendProgress], None]]":
    """A bar of messages done of all, how many a second, and the time left."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with _shown(*columns) as shown:
        task = shown.add_task("planning", total=None)
        yield lambda now: shown.update(task, description="sending", completed=now.done, total=now.total)


def _shown(*columns: ProgressColumn) -> Display:
    console = Console(stderr=True)
    return Display(*columns, console=console, transient=True, disable=not console.is_interactive)

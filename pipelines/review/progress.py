"""How far long work is, on standard error; nothing where that is no terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from pipelines.campaign import sender
from pipelines.pull import Pulled


class _Rate(ProgressColumn):
    """Done per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f}/s")


@contextmanager
def sending_progress() -> Iterator[Callable[[sender.Progress], None]]:
    """Messages done, per second, and the time left."""
    with _bar("sending") as advance:
        yield lambda progress: advance(progress.done, progress.total)


@contextmanager
def loading_progress() -> Iterator[Callable[[int, int], None]]:
    """Files loaded."""
    with _bar("loading") as advance:
        yield advance


@contextmanager
def pulling_progress() -> Iterator[Callable[[Pulled], None]]:
    """The day at hand, its calls and records."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=_console(), transient=True) as shown:
        task = shown.add_task("pulling", total=None)

        def tell(pulled: Pulled) -> None:
            what = f"reports of {pulled.day}" if pulled.day else pulled.kind
            shown.update(task, description=f"{what}: {pulled.record_count:,} records in {pulled.call_count} calls")

        yield tell


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=_console(), transient=True) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def _console() -> Console:
    return Console(stderr=True)

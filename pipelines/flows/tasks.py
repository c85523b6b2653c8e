"""Steps as Prefect tasks: with a name, retries where running again is safe, and nothing personal in their errors."""

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from pipelines.errors import (
    BooksError,
    GatewayError,
    GatewayRefused,
    SmsreconError,
    Unforeseen,
    WarehouseBusy,
    environment_error,
)
from pipelines.gateway.codes import TEMPORARY_CODES

Brought = TypeVar("Brought")


class TaskRunner:
    """Runs each step as a task of the flow run; what fails and is safe to run again waits and is tried again."""

    def __init__(self, retry_delays_seconds: Sequence[float] = ()) -> None:
        self._delays = [*retry_delays_seconds]

    def __call__(self, name: str, step: Callable[[], Brought]) -> Brought:
        @task(
            name=name,
            task_run_name=name,
            cache_policy=NO_CACHE,
            retries=len(self._delays),
            retry_delay_seconds=self._delays,
            retry_condition_fn=_may_help,
        )
        def guarded() -> Brought:
            with redact_errors():
                return step()

        return guarded()


@contextmanager
def redact_errors() -> Iterator[None]:
    """Let errors pass that show no person: ours alone, and of all others where they came from.

    Prefect keeps the message of every error, and of those behind it; of a library's it may hold a phone or a text.
    """
    try:
        yield
    except SmsreconError as error:
        error.__cause__, error.__suppress_context__ = None, True
        raise
    except Exception as error:  # noqa: BLE001
        said = environment_error(error)
        if said is not None:
            raise Unforeseen(f"{said}; mend that, then run it again") from None
        frames = traceback.extract_tb(error.__traceback__)
        place = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
        raise Unforeseen(f"{type(error).__name__} at {place}; please report it") from None


def _may_help(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether a step that failed so may go well later; all of them can be run again."""
    match state.result(raise_on_failure=False):
        case GatewayRefused() as refused:
            return refused.error_code in TEMPORARY_CODES
        case GatewayError() | WarehouseBusy() | BooksError():
            return True
        case _:
            return False

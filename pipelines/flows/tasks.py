"""Steps of a flow as Prefect tasks: named, retried where that is safe, and without personal data in their errors."""

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

Result = TypeVar("Result")


class TaskRunner:
    """Runs each step as a task of the flow run, and retries it after each of the delays while a retry may help."""

    def __init__(self, retry_delays_seconds: Sequence[float] = ()) -> None:
        self._delays = [*retry_delays_seconds]

    def __call__(self, name: str, step: Callable[[], Result]) -> Result:
        @task(
            name=name,
            task_run_name=name,
            cache_policy=NO_CACHE,
            retries=len(self._delays),
            retry_delay_seconds=self._delays,
            retry_condition_fn=_is_worth_retrying,
        )
        def guarded() -> Result:
            with redact_errors():
                return step()

        return guarded()


@contextmanager
def redact_errors() -> Iterator[None]:
    """Pass on our own errors without their causes, and replace any other error by the place where it was raised.

    Prefect stores the messages of an error and of its causes. Our own hold no personal data; the message of a library's
    error may hold a phone or a text.
    """
    try:
        yield
    except SmsreconError as error:
        error.__cause__, error.__suppress_context__ = None, True
        raise
    except Exception as error:  # noqa: BLE001
        said = environment_error(error)
        if said is not None:
            raise Unforeseen(f"{said}; correct that, then run it again") from None
        frames = traceback.extract_tb(error.__traceback__)
        place = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
        raise Unforeseen(f"{type(error).__name__} at {place}: a bug; please report it") from None


def _is_worth_retrying(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Return true if a failed step may succeed later. Every step is safe to run again."""
    match state.result(raise_on_failure=False):
        case GatewayRefused() as refused:
            return refused.error_code in TEMPORARY_CODES
        case GatewayError() | WarehouseBusy() | BooksError():
            return True
        case _:
            return False

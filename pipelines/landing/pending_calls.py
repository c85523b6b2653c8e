"""Marks of calls whose answers have not landed yet."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path
from typing import Final

from pipelines.failpoints import reach
from pipelines.files import lock_file, write_whole
from pipelines.landing.calls import Call, Calls
from pipelines.landing.header import with_header

_FOLDER: Final = "pending"
_FORMER_FOLDER: Final = "asking"  # its name in 0.1.0, whose processes may still run; honoured for one release
_FAILURE: Final = "the process ended before an answer was landed"


@dataclass(frozen=True)
class PendingCalls:
    """Marks of calls whose answers have not landed yet, beside the landed `calls`.

    A gateway that hands out each record once has forgotten an answer that it gave. So a call whose process ends before
    the answer landed, however it ends, must be known: the next call lands its mark as a call without an answer.
    """

    calls: Calls

    @property
    def root(self) -> Path:
        return self.calls.root

    @contextmanager
    def mark(self, call: Call) -> Iterator[Callable[[Call], str]]:
        """Mark `call` on disk before it is made; yields the function that lands it with its answer."""
        self._settle()
        at = call.called_at.astimezone(UTC)
        mark = self.root / _FOLDER / f"{call.kind}-{at:%Y%m%dT%H%M%S.%f}Z-{os.getpid()}.call"

        def land(answered: Call) -> str:
            name = self.calls.land(answered)
            reach("landing.before_unmark")
            mark.unlink()
            return name

        with self.lock(fcntl.LOCK_SH):
            write_whole(mark, with_header(replace(call, failure=_FAILURE)), overwrite=True)
            reach("landing.before_call")
            yield land

    @contextmanager
    def lock(self, operation: int) -> Iterator[None]:
        """Hold the lock that all callers share, and that whoever settles holds alone; it dies with the process."""
        with ExitStack() as held:
            for folder in self._folders():
                fcntl.flock(held.enter_context(lock_file(folder / "lock")), operation)
            yield

    def _settle(self) -> None:
        """Land the marks that ended processes left behind, unless another process is calling just now."""
        with suppress(BlockingIOError), self.lock(fcntl.LOCK_EX | fcntl.LOCK_NB):
            for mark in sorted(mark for folder in self._folders() for mark in folder.glob("*.call")):
                call = Call.from_bytes(mark.read_bytes())
                if not self.calls.has_landed(call):  # else its process ended before removing the mark
                    self.calls.land(call)
                reach("landing.half_settled")
                mark.unlink()
            self._remove_former_folder()

    def _folders(self) -> list[Path]:
        former = self.root / _FORMER_FOLDER
        return [self.root / _FOLDER, *([former] if former.is_dir() else [])]

    def _remove_former_folder(self) -> None:
        former = self.root / _FORMER_FOLDER
        if former.is_dir():
            (former / "lock").unlink(missing_ok=True)
            with suppress(OSError):  # a process of the older version has just put a mark or a lock there
                former.rmdir()

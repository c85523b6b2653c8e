"""Steps that run one after another, where a failed step doesn't stop the next ones but becomes a finding."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from pipelines.alerts.findings import Finding
from pipelines.errors import SmsreconError

Result = TypeVar("Result")


class RunStep(Protocol):
    """Runs a step under its name: a command calls it, a flow makes it a task."""

    def __call__(self, name: str, step: Callable[[], Result], /) -> Result: ...


def call_step(_name: str, step: Callable[[], Result], /) -> Result:
    """Calls the step in this process."""
    return step()


class Steps:
    """Runs steps; `findings` are the errors of those that failed."""

    def __init__(self, run_step: RunStep) -> None:
        self._run_step = run_step
        self.findings: list[Finding] = []

    def run(self, name: str, step: Callable[[], Result]) -> Result | None:
        """The step's result, or None if it failed with an error of ours; other errors are bugs and pass."""
        try:
            return self._run_step(name, step)
        except SmsreconError as error:
            if str(error) not in {finding.message for finding in self.findings}:  # a busy warehouse fails every step
                self.findings.append(Finding.of(f"{name.replace(' ', '_')}_failed", error))
            return None

"""A sandbox as its own process, on a free port, for every test that asks for one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pipelines.gateway.sandbox import RunningSandbox, SandboxSettings


@pytest.fixture
def make_sandbox(tmp_path: Path) -> Iterator[Callable[..., RunningSandbox]]:
    """Start a sandbox with the settings given; all of one test share the truth file unless they name one."""
    with ExitStack() as stack:

        def make(**settings: Any) -> RunningSandbox:
            settings.setdefault("truth", tmp_path / "truth.sqlite")
            return stack.enter_context(RunningSandbox(SandboxSettings(**settings)))

        yield make


@pytest.fixture
def sandbox(make_sandbox: Callable[..., RunningSandbox]) -> RunningSandbox:
    """A sandbox as it comes: no faults, no limits, a snapshot of each day's reports."""
    return make_sandbox()

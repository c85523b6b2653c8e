"""Fixtures with a sandbox in a process of its own, on a free port."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipelines.sandbox import RunningSandbox, SandboxSettings
from tests.support.campaigns import MakeSandbox
from tests.support.endpoint import NO_CERTIFICATES
from tests.support.sandboxes import ForkedSandbox


@pytest.fixture
def sandbox_type() -> type[RunningSandbox]:
    return ForkedSandbox


@pytest.fixture
def make_sandbox(tmp_path: Path, sandbox_type: type[RunningSandbox]) -> Iterator[MakeSandbox]:
    """Start a sandbox with these settings."""
    with ExitStack() as stack:

        def make(**settings: Any) -> RunningSandbox:
            settings.setdefault("truth", tmp_path / "truth.sqlite")
            return stack.enter_context(sandbox_type(SandboxSettings(**settings)))

        yield make


@pytest.fixture
def sandbox(make_sandbox: MakeSandbox) -> RunningSandbox:
    """A sandbox with default settings: no faults, no limits, a snapshot of each day's reports."""
    return make_sandbox()


@pytest.fixture(scope="module")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """One sandbox for all tests of a module that change nothing in its truth."""
    with ForkedSandbox(SandboxSettings(truth=tmp_path_factory.mktemp("shared") / "truth.sqlite")) as sandbox:
        yield sandbox


@pytest.fixture
def ask() -> Iterator[Callable[..., httpx.Response]]:
    """POST a form with valid credentials; a field that is None is left out."""
    with httpx.Client(timeout=30, trust_env=False, verify=NO_CERTIFICATES) as client:

        def post(sandbox: RunningSandbox, call: str, **fields: str | None) -> httpx.Response:
            credentials = {"appKey": sandbox.settings.app_key, "appSecret": sandbox.settings.app_secret}
            form = {name: value for name, value in (credentials | fields).items() if value is not None}
            return client.post(sandbox.base_url + call, data=form)

        yield post


@pytest.fixture
def truth_of() -> Callable[..., list[tuple[Any, ...]]]:
    """Query the truth file of a sandbox over a separate connection."""

    def query(sandbox: RunningSandbox, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(sandbox.settings.truth)) as connection:
            return connection.execute(statement, parameters).fetchall()

    return query

"""Fixtures of the flows: a real Prefect server, and a folder with a gateway to run flows in."""

import gc
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
import stamina
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, get_current_settings, temporary_settings

from pipelines.flows.server import disable_telemetry, running_server
from pipelines.sandbox import SandboxSettings
from tests.flows.places import API, FlowPlace, flush_to_server
from tests.support.ports import free_port
from tests.support.sandboxes import ForkedSandbox


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[API]:
    """The Prefect server of all tests, with its own database."""
    folder = tmp_path_factory.mktemp("prefect")
    with mock.patch.dict(os.environ):
        disable_telemetry()
        with running_server(folder, free_port(), lambda _: None):
            api = API(os.environ["PREFECT_API_URL"], folder / "prefect.db")
            api.log_in()
            api.keep_empty_copy()
            with temporary_settings({PREFECT_API_URL: api.url, PREFECT_API_AUTH_STRING: api.login}):
                yield api
            api.close()


def collect_connections() -> None:
    """Collect the connections that Prefect leaves open: their warnings would fail a later test."""
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()


@pytest.fixture(autouse=True)
def talking(api: API, request: pytest.FixtureRequest) -> Iterator[None]:
    """Point flows called in this process to that server, without heartbeats, which take a second to end.

    Prefect's connections end with each test: their keepalive draws from `random`, which hypothesis does not allow in
    the tests that run in this process later.
    """
    ours = {PREFECT_API_URL: api.url, PREFECT_API_AUTH_STRING: api.login}
    with temporary_settings(ours), stamina.set_testing(True, attempts=2):
        get_current_settings().flows.heartbeat_frequency = None
        logging.getLogger("prefect").setLevel(logging.INFO)
        yield
        flush_to_server()
    collect_connections()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlowPlace]:
    """A folder with a configuration and recipients, and its own gateway."""
    with ForkedSandbox(SandboxSettings(truth=tmp_path / "truth.sqlite")) as gateway:
        made = FlowPlace(tmp_path, gateway)
        made.configure()
        monkeypatch.setenv("SMSRECON_CONFIG", str(made.config))
        yield made

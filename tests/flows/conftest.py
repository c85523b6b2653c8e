"""Fixtures of the flows: a real Prefect server, and a folder with a gateway to run flows in."""

import gc
import logging
import os
import socket
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina
from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings

from pipelines.flows.server import disable_telemetry, running_server
from pipelines.sandbox import RunningSandbox, SandboxSettings
from tests.flows.places import API, FlowPlace, flush_to_server


@pytest.fixture(scope="session")
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory, free_port: int) -> Iterator[API]:
    """The Prefect server of all tests, with its own database."""
    folder = tmp_path_factory.mktemp("prefect")
    with pytest.MonkeyPatch.context() as variables:
        for name in ("PREFECT_API_URL", "NO_PROXY", "no_proxy"):
            variables.setenv(name, "")  # so that it is restored at the end
        variables.setenv("PREFECT_SERVER_UI_STATIC_DIRECTORY", str(folder / "ui"))
        variables.setenv("PREFECT_HOME", str(folder))
        disable_telemetry()
        with running_server(folder, free_port, lambda _: None):
            api = API(os.environ["PREFECT_API_URL"], folder / "prefect.db")
            api.keep_empty_copy()
            with temporary_settings({PREFECT_API_URL: api.url}):
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
    with temporary_settings({PREFECT_API_URL: api.url}), stamina.set_testing(True, attempts=2):
        get_current_settings().flows.heartbeat_frequency = None
        logging.getLogger("prefect").setLevel(logging.INFO)
        yield
        flush_to_server()
    collect_connections()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlowPlace]:
    """A folder with a configuration and recipients, and its own gateway."""
    with RunningSandbox(SandboxSettings(truth=tmp_path / "truth.sqlite")) as gateway:
        made = FlowPlace(tmp_path, gateway)
        made.configure()
        monkeypatch.setenv("SMSRECON_CONFIG", str(made.config))
        yield made

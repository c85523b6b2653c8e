"""Fixtures of the command line: a folder to run commands in, a gateway, and a campaign whose books are closed."""

import os
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import stamina

from pipelines.sandbox import SandboxSettings
from tests.support.places import Closed, Place, gateway_at
from tests.support.sandboxes import ForkedSandbox


@pytest.fixture(autouse=True)
def no_variables_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith("SMSRECON_") or name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)


@pytest.fixture
def no_waits() -> Iterator[None]:
    """Try everything once: no retries."""
    with stamina.set_testing(True, attempts=1):
        yield


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder with a file of recipients; the gateway of its settings is a closed port."""
    folder = tmp_path / "place"
    folder.mkdir()
    pl.DataFrame({"phone": ["13800000001", "13900000002", "12"]}).write_parquet(folder / "people.parquet")
    return Place(folder, gateway_at("http://127.0.0.1:1/api/v2/"))


@pytest.fixture
def sending(place: Place, closed: Closed) -> Place:
    """The same, with a running gateway, and an installation name of its own, so that no other test has its numbers."""
    installation = {"SMSRECON_INSTALLATION": place.folder.parent.name}
    return Place(place.folder, gateway_at(closed.gateway.base_url) | installation)


@pytest.fixture(scope="session")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Closed]:
    """A campaign of 2,000 messages, sent, collected and published once for all tests that only read it."""
    folder = tmp_path_factory.mktemp("closed")
    demo = Place(folder).run("demo --recipients 2000")
    assert demo.code == 0, demo.err
    phones = (
        pl.read_parquet(folder / "demo" / "recipients.parquet")["phone"].str.extract("(1[3-9][0-9]{9})$").drop_nulls()
    )
    with ForkedSandbox(SandboxSettings(truth=folder / "demo" / "gateway.sqlite", seed=20)) as gateway:
        others_send_too = {"SMSRECON_ALERTS__MAX_ORPHAN_SHARE": "1"}  # `sending` does, and so makes orphans
        place = Place(folder, {"SMSRECON_GATEWAY__BASE_URL": gateway.base_url} | others_send_too)
        yield Closed(place, demo, gateway, frozenset(phones))

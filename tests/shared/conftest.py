"""Fixtures of several machines: one gateway and one database, of which each test has an empty schema."""

from collections.abc import Iterator

import pytest

from pipelines.sandbox import RunningSandbox, SandboxSettings
from tests.support.postgres import Postgres
from tests.support.s3 import S3
from tests.support.sandboxes import ForkedSandbox


@pytest.fixture(scope="module")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """One gateway for all tests of a module."""
    with ForkedSandbox(SandboxSettings(truth=tmp_path_factory.mktemp("shared") / "truth.sqlite")) as sandbox:
        yield sandbox


@pytest.fixture
def database(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty database, which is the journal of every installation of the test."""
    url = postgres.new_url()
    monkeypatch.setenv("SMSRECON_SHARED__DATABASE", url)
    yield url
    if postgres.process.poll() is not None:  # a test that failed has left it so
        postgres.start()


@pytest.fixture
def bucket(s3: S3, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty bucket, which the variables give access to."""
    for name, value in s3.variables.items():
        monkeypatch.setenv(name, value)
    return s3.new_bucket()

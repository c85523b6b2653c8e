"""Five campaigns, published once for all tests that only look at them."""

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import polars as pl
import pytest

from pipelines.settings import Settings
from tests.notebooks.history import LATEST, send


@dataclass(frozen=True)
class Place:
    """Where the campaigns lie, and the phones that nobody may ever see."""

    settings: Settings
    phones: frozenset[str] = field(repr=False)

    @property
    def data_dir(self) -> Path:
        return self.settings.data_dir

    def bytes_of_published(self) -> dict[str, str]:
        """A digest of every file that is published."""
        folder = (self.data_dir / "published").resolve()
        files = [path for path in folder.rglob("*") if path.is_file()]
        return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("history")
    settings = send(folder)
    return Place(settings, frozenset(pl.read_parquet(folder / f"{LATEST}.parquet")["phone"]))

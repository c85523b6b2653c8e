"""The arguments of a reconcile, warehouses that hold the rows of a case, and a published copy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.warehouse.database import Warehouse
from tests.sql.cases import ARGUMENTS, filled
from tests.sql.variants import publish_campaigns


@pytest.fixture
def parameters() -> dict[str, Any]:
    return dict(ARGUMENTS)


@pytest.fixture
def warehouse_of(tmp_path: Path) -> Callable[[Path], Warehouse]:
    """Make a warehouse that holds the rows of a case."""
    return lambda case: filled(tmp_path / "warehouse.duckdb", case)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data folder with the campaigns of tests/sql/variants.py, reconciled and published."""
    folder = tmp_path_factory.mktemp("variants")
    publish_campaigns(folder)
    return folder

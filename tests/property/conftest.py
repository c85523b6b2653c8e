"""Fixtures that the laws on worlds share."""

from pathlib import Path

import pytest

from pipelines.settings import WarehouseSettings
from pipelines.warehouse.database import Warehouse


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty warehouse, made once: each world begins with a copy."""
    path = tmp_path_factory.mktemp("template") / "warehouse.duckdb"
    with Warehouse(path, WarehouseSettings()).write():
        pass
    return path

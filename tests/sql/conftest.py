"""The parameters of all statements, and warehouses that hold the rows of a case."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.warehouse.database import Warehouse
from tests.sql.cases import PARAMETERS, filled


@pytest.fixture
def parameters() -> dict[str, Any]:
    return dict(PARAMETERS)


@pytest.fixture
def warehouse_of(tmp_path: Path) -> Callable[[Path], Warehouse]:
    """Make a warehouse that holds the rows of a case."""
    return lambda case: filled(tmp_path / "warehouse.duckdb", case)

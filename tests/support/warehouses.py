"""New warehouses as copies of an empty one, made once in a process: all migrations take longer than most tests."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from pipelines.files import make_folder, written_whole
from pipelines.settings import WarehouseSettings
from pipelines.warehouse.database import Warehouse

_make = Warehouse._make


@contextmanager
def made_as_copies() -> Iterator[None]:
    """Let this process make warehouses as copies; those that it starts run all migrations."""
    with mock.patch.object(Warehouse, "_make", _copy):
        yield


@contextmanager
def made_by_migrations() -> Iterator[None]:
    """Let this process run all migrations again, as everywhere but in tests."""
    with mock.patch.object(Warehouse, "_make", _make):
        yield


def _copy(warehouse: Warehouse) -> None:
    make_folder(warehouse.path.parent)
    with suppress(FileExistsError), written_whole(warehouse.path, overwrite=False) as draft:
        draft.write_bytes(_empty())


@cache
def _empty() -> bytes:
    with TemporaryDirectory() as folder, made_by_migrations():
        path = Path(folder) / "warehouse.duckdb"
        with Warehouse(path, WarehouseSettings()).write():
            pass
        return path.read_bytes()

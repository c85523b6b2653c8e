"""core.computed says how the tables of the last reconcile were made, exactly enough to make them once more."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.settings import WarehouseSettings
from pipelines.warehouse import computed
from pipelines.warehouse.computed import Computed, fingerprint, last_computed, note_computed
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.reconcile import reconcile

AS_OF = datetime(2026, 11, 10, 4, 0, 0, 123457, tzinfo=UTC)


def noted(warehouse: Warehouse) -> Computed | None:
    with warehouse.read() as connection:
        return last_computed(connection)


def test_nothing_is_noted_before_the_first_reconcile(warehouse: Warehouse) -> None:
    with warehouse.write():
        pass

    assert noted(warehouse) is None


def test_a_reconcile_notes_its_instant_its_settings_and_what_was_loaded(warehouse: Warehouse) -> None:
    with warehouse.write() as connection:
        connection.execute(
            "INSERT INTO core.files"
            " VALUES ('journal.sqlite', 'journal', 41, 41, 0, 1), ('a.call', 'reports', 99, 99, 0, 1)"
        )

    for price in (0.1, None):
        reconcile(warehouse, as_of=AS_OF, report_window_hours=48, price_per_segment=price, opt_out_words=["TD", "退订"])

    found = noted(warehouse)
    assert found is not None
    assert found.as_of == AS_OF
    assert found.arguments["report_window_hours"] == 48
    assert found.arguments["price_per_segment"] is None
    assert "退 ?订" in found.arguments["opt_out_pattern"]
    assert found.loaded == (2, 41)
    assert found.fingerprint == fingerprint(found.parameters)


VALUES = st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    path = tmp_path_factory.mktemp("computed") / "warehouse.duckdb"
    with Warehouse(path, WarehouseSettings()).write() as connection:
        yield connection


@given(parameters=st.dictionaries(st.text(), VALUES), as_of=INSTANTS)
def test_what_is_noted_is_read_back_unchanged(connection: Any, parameters: dict[str, Any], as_of: datetime) -> None:
    parameters.pop("as_of", None)
    note_computed(connection, {**parameters, "as_of": as_of})

    found = last_computed(connection)

    assert found is not None
    assert (found.as_of, found.parameters) == (as_of, parameters)
    assert json.dumps(found.parameters) == json.dumps(parameters)  # 1.0 is not 1


def test_the_fingerprint_follows_settings_statements_and_reference_tables_and_not_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warehouse: Warehouse
) -> None:
    reconcile(warehouse, as_of=AS_OF, report_window_hours=72)
    first = noted(warehouse)
    reconcile(warehouse, as_of=AS_OF + timedelta(hours=1), report_window_hours=72)
    later = noted(warehouse)
    assert first is not None
    assert later is not None
    assert first.fingerprint == later.fingerprint != fingerprint(first.parameters | {"report_window_hours": 71})

    known = set()
    for number, name in enumerate(("core/a.sql", "marts/a.sql", "functions/a.sql", "reference/a.csv")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(str(number))
        monkeypatch.setattr(computed, "SQL_FOLDER", tmp_path)
        computed.files_digest.cache_clear()
        known.add(fingerprint(first.parameters))
    computed.files_digest.cache_clear()
    assert len(known) == 4

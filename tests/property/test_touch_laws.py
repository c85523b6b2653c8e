"""Whatever changes, a reconcile leaves every table as a full run would: one test for each way to be touched."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pipelines.sql_files import SQL_FOLDER
from pipelines.warehouse import touched
from pipelines.warehouse.computed import Computed, last_computed
from pipelines.warehouse.loading.load import load
from pipelines.warehouse.reconcile import ReconcileSummary
from tests.property.agreement import disagreement
from tests.property.increments import Tables, assert_as_in_full, reconcile, tables_of
from tests.property.landed import Landed
from tests.property.touches import BASE, CHANGES, CLOSING, WAYS, Change
from tests.support.depth import cases

ROOT = Path(__file__).parents[2]

# A statement and a reference table, each edited so that marts.code_breakdown changes.
EDITS = (
    ("marts/code_breakdown.sql", lambda text: f"SELECT * REPLACE (code || '!' AS code) FROM (\n{text}\n)"),
    ("reference/gateway_codes.csv", lambda text: text.replace("number does not exist", "no such number")),
)

# Each change with the ways without which it is missed, and the first of them for each single way.
NEEDS = [(change, ways) for change in CHANGES for ways in change.needs]
ONE_FOR_EACH_WAY = list({ways: (change, ways) for change, ways in reversed(NEEDS) if " " not in ways}.values())

# Those, and the main ones that touch no campaign.
FEW = [
    *(change for change, _ in ONE_FOR_EACH_WAY),
    *(change for change in CHANGES if not change.needs and not change.is_deep),
]


def name_of(value: Change | str) -> str:
    return value.replace(" ", "+") if isinstance(value, str) else value.name.replace(" ", "_")


@dataclass(frozen=True)
class Base:
    """The world before a change, loaded and reconciled."""

    place: Landed
    tables: Tables

    @contextmanager
    def copied_to(self, folder: Path) -> Iterator[Landed]:
        """A copy of its own, removed afterwards."""
        shutil.copytree(self.place.folder, folder)
        yield Landed(folder, dict(self.place.files))
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    place = Landed(tmp_path_factory.mktemp("base"))
    place.land(BASE)
    for _ in range(2):  # the second one makes the marks
        load(place.landing, place.warehouse)
    assert reconcile(place.warehouse, CLOSING).failed_checks == ()
    return Base(place, tables_of(place.warehouse))


@pytest.mark.parametrize("change", cases(fast=FEW, deep=CHANGES), ids=name_of)
def test_after_one_change_every_table_is_that_of_a_full_run(base: Base, change: Change, tmp_path: Path) -> None:
    with base.copied_to(tmp_path / "data") as place:
        summary = reconciled_after(change, place)

        tables = assert_as_in_full(place, change.closing, summary)
    assert summary.is_balanced == change.is_balanced
    changed = differing(base.tables, tables)
    assert change.shows <= changed
    assert bool(change.shows) == bool(changed)


@pytest.mark.parametrize(("change", "ways"), cases(fast=ONE_FOR_EACH_WAY, deep=NEEDS), ids=name_of)
def test_without_the_ways_to_be_touched_a_change_would_be_missed(
    base: Base, change: Change, ways: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with base.copied_to(tmp_path / "data") as place:
        for way in ways.split():
            take_out(way, monkeypatch)
        summary = reconciled_after(change, place)
        monkeypatch.undo()

        with pytest.raises(AssertionError):
            assert_as_in_full(place, change.closing, summary)


def test_each_way_has_a_change_that_needs_it() -> None:
    assert {ways for _, ways in ONE_FOR_EACH_WAY} == {*WAYS}
    assert {way.removeprefix("touching/") for way in touched.WAYS} < {*WAYS}


def take_out(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a reconcile overlook what changes in this way."""
    if f"touching/{way}" in touched.WAYS:
        monkeypatch.setattr(touched, "WAYS", tuple(name for name in touched.WAYS if name != f"touching/{way}"))
    elif way == "gone":
        monkeypatch.setattr(touched, "_REMOVED", "SELECT 1 WHERE FALSE")
    elif way == "phones":
        monkeypatch.setattr(touched.Touched, "_follow_new_phones", lambda *_: None)
    else:
        assert way == "fingerprint"
        monkeypatch.setattr(touched, "fingerprint", lambda _: "the same")
        monkeypatch.setattr(touched, "last_computed", lambda connection: same(last_computed(connection)))


def same(computed: Computed | None) -> Computed | None:
    return computed and replace(computed, fingerprint="the same")


def reconciled_after(change: Change, place: Landed) -> ReconcileSummary:
    place.land(change.happenings)
    change.act(place)
    load(place.landing, place.warehouse)
    return reconcile(place.warehouse, change.closing)


@pytest.mark.parametrize(("file", "edit"), cases(fast=EDITS[:1], deep=EDITS))
def test_after_a_change_of_a_file_of_sql_every_table_is_that_of_a_full_run(
    base: Base, file: str, edit: Callable[[str], str], tmp_path: Path
) -> None:
    code = tmp_path / "code"
    shutil.copytree(SQL_FOLDER, code / "sql")
    for package in ("pipelines", "tests"):
        (code / package).symlink_to(ROOT / package)
    path = code / "sql" / file
    text = path.read_text(encoding="utf-8")
    path.write_text(edit(text), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != text
    with base.copied_to(tmp_path / "data") as place:
        command = [sys.executable, "-m", "tests.property.reconciling", str(place.folder)]
        subprocess.run(command, check=True, cwd=code, env=os.environ | {"PYTHONPATH": str(code)})

        assert "marts.code_breakdown" in differing(base.tables, tables_of(place.warehouse))


def differing(ours: Tables, theirs: Tables) -> set[str]:
    return {
        table
        for table in ours
        if ours[table] != theirs[table] and disagreement(table, ours[table], theirs[table], names=("one", "other"))
    }

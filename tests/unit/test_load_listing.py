"""A load lists only the folders of the landing that may have changed."""

import os
from time import sleep

import pytest

from pipelines.files import write_whole
from pipelines.landing.campaigns import Purged
from pipelines.landing.landing import Landing
from pipelines.landing.listing import changed_at
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.loading.load import load
from tests.unit.landed import AT, answer, counts, land, reply, report, rows


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders may be noted at once; the clock of a file system ticks faster than loads follow each other."""
    monkeypatch.setattr("pipelines.landing.listing.SETTLING_SECONDS", 0.02)


def noted(landing: Landing, warehouse: Warehouse) -> list[str]:
    """The folders that are noted once all is loaded and a later load has listed them."""
    for _ in range(2):
        load(landing, warehouse)
        sleep(0.05)
    return [row["folder"] for row in rows(warehouse, "SELECT folder FROM core.listings ORDER BY folder")]


@pytest.mark.usefixtures("settled")
def test_a_day_that_is_over_and_loaded_is_listed_again_only_when_it_changes(
    landing: Landing, warehouse: Warehouse
) -> None:
    for day in range(3):
        land(landing, "reports", answer([report()]), minute=day * 24 * 60)
    sleep(0.05)
    assert noted(landing, warehouse) == ["reports/2026-11-22", "reports/2026-11-23"]
    with warehouse.read() as connection:
        seen = dict(connection.execute("SELECT folder, changed_at FROM core.listings").fetchall())
    assert [listed.folder for listed in landing.calls.listed("reports", seen)] == ["reports/2026-11-24"]

    late = land(landing, "reports", answer([report(batchNum="late")]), minute=1)
    assert counts(load(landing, warehouse)) == (1, 1, 0, 1)
    assert rows(warehouse, "SELECT source_file FROM core.reports WHERE batch_num = 'late'") == [{"source_file": late}]
    sleep(0.05)
    assert noted(landing, warehouse) == ["reports/2026-11-22", "reports/2026-11-23"]


@pytest.mark.usefixtures("settled")
def test_a_warehouse_that_lost_its_rows_lists_everything_again(landing: Landing, warehouse: Warehouse) -> None:
    for day in range(3):
        land(landing, "replies", answer([reply()]), minute=day * 24 * 60)
    sleep(0.05)
    assert len(noted(landing, warehouse)) == 2
    warehouse.delete()
    assert load(landing, warehouse).file_count == 3


@pytest.mark.usefixtures("settled")
def test_a_folder_with_a_draft_is_listed_until_the_draft_is_removed(landing: Landing, warehouse: Warehouse) -> None:
    for day in range(2):
        land(landing, "reports", answer([report()]), minute=day * 24 * 60)
    draft = landing.root / "reports" / "2026-11-22" / ".draft-x"
    draft.touch()
    sleep(0.05)
    assert noted(landing, warehouse) == []
    os.utime(draft, (0, 0))
    load(landing, warehouse)
    assert not draft.exists()
    sleep(0.05)
    assert noted(landing, warehouse) == ["reports/2026-11-22"]


@pytest.mark.usefixtures("settled")
def test_a_folder_of_a_campaign_is_looked_into_for_drafts_when_it_changes(
    landing: Landing, warehouse: Warehouse
) -> None:
    for campaign_id in ("a", "b"):
        write_whole(landing.campaigns.mark_path(campaign_id), bytes(8), overwrite=False)
    sleep(0.05)
    assert noted(landing, warehouse) == ["campaigns"]
    draft = landing.campaigns.root / "b" / ".draft-x"
    draft.touch()
    sleep(0.05)
    for _ in range(2):
        load(landing, warehouse)
        assert draft.exists()
    assert landing.campaigns.listed().with_drafts == ["b"]
    assert landing.campaigns.listed(changed_at(draft.parent)).with_drafts == []
    os.utime(draft, (0, 0))
    load(landing, warehouse)
    assert not draft.exists()
    sleep(0.05)
    assert noted(landing, warehouse) == ["campaigns"]
    assert rows(warehouse, "SELECT changed_at FROM core.listings") == [{"changed_at": changed_at(draft.parent)}]


@pytest.mark.usefixtures("settled")
def test_folders_are_not_noted_before_the_warehouse_has_heard_of_a_purge(landing: Landing) -> None:
    """A load that dies then must find it once more."""
    for campaign_id in ("a", "b", "c"):
        write_whole(landing.campaigns.plan_path(campaign_id), b"", overwrite=False)
    sleep(0.05)
    loaded = {"a", "b"}
    seen = landing.campaigns.listed(loaded=loaded).settled_at
    assert seen == max(map(changed_at, landing.campaigns.root.iterdir()))
    landing.campaigns.mark_purged(Purged("b", AT, {}))
    landing.campaigns.mark_purged(Purged("c", AT, {}))
    sleep(0.05)

    for _ in range(2):
        found = landing.campaigns.listed(seen, loaded)
        assert (found.kept, found.purged, found.settled_at) == (["a"], ["b", "c"], None)

    seen = landing.campaigns.listed(seen, loaded={"a"}).settled_at
    assert seen is not None
    found = landing.campaigns.listed(seen, loaded={"a"})
    assert (found.kept, found.purged, found.settled_at) == (["a"], ["b", "c"], None)
    landing.campaigns.plan_path("a").unlink()
    assert landing.campaigns.listed(seen, loaded={"a"}).kept == []


def test_a_folder_that_changed_just_now_is_not_noted(landing: Landing, warehouse: Warehouse) -> None:
    for day in range(2):
        land(landing, "reports", answer([report()]), minute=day * 24 * 60)
    assert noted(landing, warehouse) == []

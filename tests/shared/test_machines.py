"""Two machines that share nothing but a database and a bucket are one installation."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipelines.contracts import table_of
from pipelines.contracts.marts import MARTS
from pipelines.contracts.published import PUBLISHED
from pipelines.errors import BooksError
from pipelines.landing.bucket import Bucket
from pipelines.landing.landing import Landing
from pipelines.landing.segments.frames import frame_bytes
from pipelines.sandbox import SandboxSettings
from pipelines.sandbox.settings import Shares
from pipelines.settings import PUBLISHED_DATABASE
from pipelines.warehouse.local_twins import LocalTwins
from pipelines.warehouse.published_bucket import ship
from tests.support.campaigns import people
from tests.support.places import CONTENT, Place, gateway_at
from tests.support.sandboxes import ForkedSandbox

PHONES = people(60)
AT = datetime(2026, 11, 20, 8, tzinfo=UTC)


@pytest.fixture
def machines(tmp_path: Path, database: str, bucket: str) -> Iterator[tuple[Place, Place]]:
    """Two machines of one installation, with the same files of people."""
    settings = SandboxSettings(truth=tmp_path / "gateway.sqlite", seed=3, shares=Shares(reply=0.2, orphan=0.1))
    with ForkedSandbox(settings) as gateway:
        variables = gateway_at(gateway.base_url) | {
            "SMSRECON_PLAN__BATCH_SIZE": "10",
            "SMSRECON_SHARED__DATABASE": database,
            "SMSRECON_SHARED__BUCKET": bucket,
            "SMSRECON_INSTALLATION": "north",
        }
        places = (Place(tmp_path / "a", variables), Place(tmp_path / "b", variables))
        for place in places:
            place.folder.mkdir()
            for name, phones in (("c", PHONES[:30]), ("d", PHONES[30:])):
                pl.DataFrame({"phone": phones}).write_parquet(place.folder / f"{name}.parquet")
        yield places


def published(place: Place) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all published tables, by table."""
    with duckdb.connect(place.folder / "data/published" / PUBLISHED_DATABASE, read_only=True) as connection:
        return rows_of(connection)


def rows_of(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[object, ...]]]:
    tables = [table_of(contract) for contract in (*MARTS, *PUBLISHED)]
    return {table: sorted(connection.execute(f"FROM {table}").fetchall(), key=repr) for table in tables}


def in_bucket(bucket: Bucket, folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows that the database in the bucket shows, whose views read the files there."""
    twins = {}
    for name, _ in bucket.listed("published"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bucket.read(name)[0])
        twins[bucket.url(name)] = path
    with duckdb.connect(folder / "published" / PUBLISHED_DATABASE, read_only=True) as connection:
        connection.register_filesystem(LocalTwins(twins))
        return rows_of(connection)


def close_books(place: Place) -> None:
    for command in ("load", "reconcile", "publish"):
        ended = place.run(command)
        assert ended.code in {0, 14}, ended.err
    assert all(books["is_balanced"] for books in place.run("status --json").object["campaigns"])


def test_two_machines_send_close_and_publish_the_same_books(machines: tuple[Place, Place], tmp_path: Path) -> None:
    one, other = machines
    bucket = Bucket(one.variables["SMSRECON_SHARED__BUCKET"])
    assert other.run(f"suppress add {PHONES[31]} --reason complained").code == 0

    assert one.run(f"submit c.parquet --campaign c --content {CONTENT}").code == 0
    assert one.run(f"submit d.parquet --campaign d --content {CONTENT}").code == 0
    again = other.run(f"submit c.parquet --campaign c --content {CONTENT} --json")
    assert again.object["submitted_now"]["accepted"] == 0
    for point in ("sharing.before_put", "sharing.after_put"):
        other.die("pull --days 1", failpoint=point)
    assert other.run("pull --days 1").code == 0
    assert one.run("import-reports c.parquet --yes").code != 0
    assert one.run("daily").code in {0, 14}
    for place in (other, one):
        close_books(place)

    assert published(one) == published(other) == in_bucket(bucket, tmp_path)
    assert [row for row in published(one)["main.messages"] if "complained" in row]
    assert one.run("doctor").code == 0
    with pytest.raises(BooksError, match="newer version"):
        ship(bucket, (one.folder / "data/published").resolve(), epoch=1)
    assert published(other) == in_bucket(bucket, tmp_path)


def test_a_person_who_is_erased_on_one_machine_is_erased_on_the_other_at_its_next_run(
    machines: tuple[Place, Place], tmp_path: Path
) -> None:
    one, other = machines
    phone = PHONES[3]
    assert one.run(f"submit c.parquet --campaign c --content {CONTENT}").code == 0
    assert one.run("pull --days 1").code == 0
    close_books(other)
    assert phone.encode() in everything_in(other.folder / "data")

    assert one.run(f"forget {phone} --yes").code == 0

    bucket = Bucket(one.variables["SMSRECON_SHARED__BUCKET"])
    assert not any(phone.encode() in bucket.read(name)[0] for name, _ in bucket.listed())
    close_books(other)
    assert phone.encode() not in everything_in(other.folder / "data")
    close_books(one)
    assert published(one) == published(other) == in_bucket(bucket, tmp_path)


def test_an_installation_of_one_machine_is_taken_over_and_goes_on(
    machines: tuple[Place, Place], tmp_path: Path
) -> None:
    one, other = machines
    alone = {"SMSRECON_SHARED__DATABASE": "", "SMSRECON_SHARED__BUCKET": ""}
    assert one.run(f"submit c.parquet --campaign c --content {CONTENT}", **alone).code == 0
    landing = Landing(one.folder / "data/landing")
    for day in range(1, 4):
        landing.pushes.new_path(AT + timedelta(days=day)).write_bytes(frame_bytes({}, b"<xml/>"))
    assert one.run("daily", **alone).code in {0, 14}
    assert len([*landing.root.rglob("*.zip")]) == 2
    before = published(one)

    taken = one.run("shared import data --json")

    assert taken.object == {"campaign_count": 1, "event_count": 6, "file_count": len(files_of(landing))}, files_of(
        landing
    )
    assert one.run("shared import data").code == 2
    refused = one.run(f"submit d.parquet --campaign d --content {CONTENT}", **alone)
    assert (refused.code, "taken over" in refused.err) == (2, True)
    close_books(one)
    assert published(one)["main.messages"] == before["main.messages"]
    assert [books["campaign_id"] for books in other.run("status --json").object["campaigns"]] == ["c"]
    assert other.run(f"submit d.parquet --campaign d --content {CONTENT}").code == 0
    for place in (other, one):  # each brings what the other has landed
        close_books(place)
    assert published(one) == published(other)
    assert len(published(one)["marts.campaign_delivery"]) == 2


def files_of(landing: Landing) -> list[Path]:
    """The files of a landing that machines share."""
    own = {"machine", "moved-journal.sqlite", "shared.sqlite", "shared.lock", "lock", "high_water", "loaded"}
    return [path for path in landing.root.rglob("*") if path.is_file() and path.name not in own]


def everything_in(folder: Path) -> bytes:
    """The bytes of all files in a folder, and of all columns of Parquet files as text."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    found = [path.read_bytes() for path in files]
    found += [pl.read_parquet(path).write_json().encode() for path in files if path.suffix == ".parquet"]
    return b"".join(found)

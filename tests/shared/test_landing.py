"""Landings of several machines: each has all that any of them landed, whatever happens between disk and bucket."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.errors import BooksError, SharedUnavailable, UsageError
from pipelines.landing import bucket as buckets
from pipelines.landing.bucket import Bucket
from pipelines.landing.calls import Call
from pipelines.landing.imports import Import
from pipelines.landing.landing import Landing, landing_of
from pipelines.landing.segments.frames import frame_bytes
from pipelines.settings import Settings, SharedSettings
from tests.support.ports import free_port
from tests.support.s3 import S3

AT = datetime(2026, 11, 22, 8, tzinfo=UTC)


@pytest.fixture
def machines(tmp_path: Path, bucket: str) -> tuple[Landing, Landing]:
    return Landing(tmp_path / "a", None, bucket), Landing(tmp_path / "b", None, bucket)


def call(body: bytes = b"{}", at: datetime = AT) -> Call:
    return Call("reports", at, 7, "json", day=AT.date(), http_status=200, body=body)


def land_one_of_each(landing: Landing) -> None:
    landing.calls.land(call())
    landing.imports.land(Import("reports", AT, "export.csv", {}, b"a,b"))
    landing.suppressions.land(b"PAR1", name="by-hand", at=AT)
    for folder in (landing.pushes, landing.refused):
        folder.new_path(AT).write_bytes(frame_bytes({}, b"<xml/>"))
    plan = landing.campaigns.plan_path("spring")
    plan.parent.mkdir(parents=True)
    plan.write_bytes(b"PAR1plan")


def shared(landing: Landing) -> dict[str, str]:
    """The digests of all files that machines share, by name."""
    assert landing.sharing is not None
    names = {name.removeprefix("landing/") for name, _ in landing.sharing.bucket.listed("landing")}
    here = {path.relative_to(landing.root).as_posix() for path in landing.root.rglob("*") if path.is_file()}
    own = {"machine", "shared.sqlite", "shared.lock", "pushes/lock", "erased.warehouse", "erased.published"}
    assert here - own == names
    return {name: hashlib.sha256(landing.path(name).read_bytes()).hexdigest() for name in names}


def test_each_machine_gets_what_the_other_landed(machines: tuple[Landing, Landing]) -> None:
    one, other = machines
    land_one_of_each(one)
    one.phone_hash_key()
    other.calls.land(call(b"[]"))
    number_key = other.number_key()

    one.catch_up()
    other.catch_up()
    one.catch_up()

    assert shared(one) == shared(other)
    assert len(other.calls.names("reports")) == 2  # of the same microsecond
    assert (one.number_key(), one.phone_hash_key()) == (number_key, other.phone_hash_key())
    assert other.calls.read(other.calls.names("reports")[0]).body in (b"{}", b"[]")


def test_without_the_bucket_calls_land_and_plans_and_lists_do_not_count(
    machines: tuple[Landing, Landing], s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = machines
    one.number_key()
    monkeypatch.setattr(buckets, "ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    cut_off = Landing(one.root.with_name("c"), None, f"{one.bucket}/")
    cut_off.calls.land(call())
    name = cut_off.suppressions.land(b"PAR1", name="by-hand", at=AT)

    with pytest.raises(SharedUnavailable, match="can't be used") as caught:
        cut_off.put(name)
    with pytest.raises(SharedUnavailable):
        cut_off.put_new()
    assert "canary" not in f"{caught.value!r}"

    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.variables["AWS_ENDPOINT_URL"])
    back = Landing(cut_off.root, None, one.bucket)
    back.catch_up()
    other.catch_up()
    assert shared(back) == shared(other)


def test_a_write_whose_answer_was_lost_has_succeeded(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = Bucket(bucket)
    etag = objects.create("a", b"1")

    assert objects.create("a", b"1") == etag
    with pytest.raises(FileExistsError):
        objects.create("a", b"2")
    changed = objects.replace("a", b"3", etag=etag)
    assert objects.replace("a", b"3", etag=etag) == changed
    with pytest.raises(FileExistsError):
        objects.replace("a", b"4", etag=etag)
    assert objects.read("a") == (b"3", changed)


def test_a_plan_of_two_machines_is_that_of_the_first(machines: tuple[Landing, Landing]) -> None:
    one, other = machines
    for landing, content in ((one, b"one"), (other, b"other")):
        plan = landing.campaigns.plan_path("spring")
        plan.parent.mkdir(parents=True)
        plan.write_bytes(content)
    one.put("campaigns/spring/plan.parquet")

    with pytest.raises(BooksError, match="another machine"):
        other.put("campaigns/spring/plan.parquet")


def test_what_is_changed_and_removed_by_an_erasure_is_so_on_the_other_machine(
    machines: tuple[Landing, Landing],
) -> None:
    one, other = machines
    land_one_of_each(one)
    one.catch_up()
    other.catch_up()
    (name,) = one.calls.names("reports")

    one.rewrite(name, call(b"erased"))
    (pushed,) = one.pushes.names()
    one.pushes.rewrite(pushed, [])
    (imported,) = one.imports.names()
    one.remove(imported)
    one.put_changes()
    other.catch_up()

    assert other.calls.read(name).body == b"erased"
    assert other.pushes.names() == other.imports.names() == []
    assert shared(one) == shared(other)


def test_a_bucket_that_is_another_one_or_has_lost_all_removes_nothing(
    machines: tuple[Landing, Landing], s3: S3
) -> None:
    one, _ = machines
    land_one_of_each(one)
    one.catch_up()
    before = shared(one)
    assert one.sharing is not None
    for another in (s3.new_bucket(), one.bucket):
        if another == one.bucket:
            for name, _ in [*one.sharing.bucket.listed()]:
                one.sharing.bucket.remove(name)
        with pytest.raises(BooksError, match="has lost its objects"):
            Landing(one.root, None, another).catch_up()
    assert {*before} <= {path.relative_to(one.root).as_posix() for path in one.root.rglob("*")}


def test_a_file_that_is_lost_here_comes_back(machines: tuple[Landing, Landing]) -> None:
    one, _ = machines
    land_one_of_each(one)
    one.catch_up()
    before = shared(one)
    one.path(one.calls.names("reports")[0]).unlink()

    one.catch_up()

    assert shared(one) == before


def test_lists_of_others_come_alone_when_only_they_are_asked_for(machines: tuple[Landing, Landing]) -> None:
    one, other = machines
    land_one_of_each(one)
    one.catch_up()

    other.catch_up("suppressions")

    assert len(other.suppressions.names()) == 1
    assert other.calls.names("reports") == []


def test_a_bucket_that_keeps_versions_is_told_and_nobody_is_erased_there(tmp_path: Path, bucket: str, s3: S3) -> None:
    versioned = s3.new_bucket(keeps_versions=True)

    assert Bucket(bucket).problem(datetime.now(UTC)) is None
    assert "old versions" in str(Bucket(versioned).problem(datetime.now(UTC)))
    with pytest.raises(UsageError, match="by NTP"):
        Bucket(bucket).problem(datetime.now(UTC) + timedelta(minutes=3))
    with pytest.raises(UsageError, match="switch versioning off"):
        Landing(tmp_path, None, versioned).refuse_versions()
    with pytest.raises(UsageError, match="there is no bucket"):
        Bucket("s3://missing-bucket/north").create("a", b"")
    assert not [*Bucket(bucket).listed()]


def test_a_bucket_without_a_database_is_no_installation_of_several_machines(tmp_path: Path, bucket: str) -> None:
    with pytest.raises(UsageError, match=r"needs shared\.database"):
        landing_of(Settings(data_dir=tmp_path, shared=SharedSettings(bucket=bucket)))


def test_segments_of_machines_are_never_packed(machines: tuple[Landing, Landing]) -> None:
    one, _ = machines
    for day in range(3):
        one.pushes.new_path(AT + timedelta(days=day)).write_bytes(frame_bytes({}, b"<xml/>"))

    one.pushes.pack()

    assert len(one.pushes.names()) == 3
    assert not [*one.root.rglob("*.zip")]


def test_plans_are_read_where_they_were_not_made(machines: tuple[Landing, Landing]) -> None:
    one, other = machines
    path = one.campaigns.plan_path("spring")
    path.parent.mkdir(parents=True)
    pl.DataFrame({"a": [1]}).write_parquet(path)
    one.put(one.name(path))

    other.catch_up()

    assert pl.read_parquet(other.campaigns.plan_path("spring"))["a"].to_list() == [1]

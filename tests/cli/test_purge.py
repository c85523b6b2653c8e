"""Purged data is in no file any more; the rest stays as it was, and nothing is sent again."""

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import polars as pl
import pytest

from pipelines.cli import invocation
from pipelines.failpoints import POINTS
from pipelines.landing.calls import CALL_KINDS
from pipelines.landing.dated_names import instant_of
from pipelines.landing.landing import Landing
from pipelines.sandbox import Fault, RunningSandbox, SandboxSettings
from pipelines.sandbox.settings import Shares
from tests.support import compared
from tests.support.depth import cases
from tests.support.places import Ended, Place, gateway_at
from tests.support.sandboxes import ForkedSandbox

NAMES = {"oldest": "佐藤夏目", "old": "芥川三岛", "new": "川端大江"}  # from the owner's columns
PREFIXES = {"oldest": "138", "old": "139", "new": "137"}
SENT_AGO = {"oldest": 50, "old": 40, "new": 4}  # days
REPORTED_AGO = {"oldest": 46, "old": 36, "new": 0}
OPTED_OUT = "13900000003"  # by an imported reply; all others are pulled


def phones(campaign_id: str) -> list[str]:
    return [f"{PREFIXES[campaign_id]}{number:08}" for number in range(30)]


class Clocked(Place):
    """A place whose clock, and that of its gateway, can be set back."""

    def ago(self, days: float, gateway: RunningSandbox, command: str) -> Ended:
        gateway.control(clock_shift_seconds=-timedelta(days=days).total_seconds())
        with mock.patch.object(invocation, "now", side_effect=lambda: datetime.now(UTC) - timedelta(days=days)):
            return self.run(command)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def landing(self) -> Landing:
        return Landing(self.data / "landing")


def send(place: Clocked, gateway: RunningSandbox, campaign_id: str) -> None:
    people(campaign_id).write_parquet(place.folder / f"{campaign_id}.parquet")
    sent = place.ago(SENT_AGO[campaign_id], gateway, f"submit {campaign_id}.parquet --campaign {campaign_id}")
    assert sent.code == 0, sent.err


def people(campaign_id: str) -> pl.DataFrame:
    name = NAMES[campaign_id]
    return pl.DataFrame({"phone": phones(campaign_id), "content": [f"【公司】{name}您好"] * 30, "name": [name] * 30})


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A gateway that returns all replies again in every call."""
    truth = tmp_path_factory.mktemp("gateway") / "gateway.sqlite"
    shares = Shares(reply=0.5, duplicate=0.2, conflict=0.1, phone_mismatch=0.1, failed=0.2, late=0)
    with ForkedSandbox(SandboxSettings(truth=truth, seed=11, shares=shares)) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def years(tmp_path_factory: pytest.TempPathFactory, gateway: RunningSandbox) -> Clocked:
    """Three campaigns, two of them long ago, each with its reports and replies; and an export that repeats them."""
    folder = tmp_path_factory.mktemp("years") / "place"
    folder.mkdir()
    place = Clocked(folder, gateway_at(gateway.base_url) | {"SMSRECON_PLAN__BATCH_SIZE": "10"})
    place.landing.choose_number_key("years")  # which messages fail, and how, follows from their numbers
    for campaign_id, days in REPORTED_AGO.items():
        send(place, gateway, campaign_id)
        assert place.ago(days, gateway, "daily").code in (0, 16)
        if campaign_id == "old":
            at = f"{datetime.now(UTC) - timedelta(days=38):%Y-%m-%d %H:%M:%S}"
            (folder / "said.csv").write_text(f"手机号,回复内容,回复时间\n{OPTED_OUT},TD,{at}\n")
            assert place.ago(days, gateway, "import-reports said.csv --replies --yes").code == 0
    with duckdb.connect(str(place.data / "warehouse.duckdb"), read_only=True) as warehouse:
        warehouse.execute("SET TimeZone = 'Asia/Shanghai'")
        told = warehouse.sql(
            "SELECT phone, code, strftime(stat_time, '%Y-%m-%d %H:%M:%S') AS at FROM core.reports"
        ).pl()
    told.rename({"phone": "手机号", "code": "状态码", "at": "回执时间"}).write_csv(folder / "late.csv")
    assert place.ago(0, gateway, "import-reports late.csv --yes").code == 0
    assert place.ago(0, gateway, "status").code == 0
    assert place.ago(0, gateway, "publish").code == 0
    return place


def copy_of(place: Clocked, folder: Path) -> Clocked:
    shutil.copytree(place.folder, folder, symlinks=True)
    return Clocked(folder, place.variables)


@pytest.fixture
def kept(tmp_path: Path, years: Clocked) -> Clocked:
    """A copy of the place."""
    return copy_of(years, tmp_path / "place")


@dataclass(frozen=True)
class Purged:
    """A place where the two old campaigns were purged, and how the command ended."""

    place: Clocked
    done: Ended


@pytest.fixture(scope="module")
def purged(tmp_path_factory: pytest.TempPathFactory, years: Clocked) -> Purged:
    place = copy_of(years, tmp_path_factory.mktemp("purged") / "place")
    return Purged(place, purge(place))


def holding(data: Path, *campaign_ids: str) -> list[str]:
    """The files that hold a phone or a name of these campaigns, as bytes or in a cell."""
    words = [word for campaign_id in campaign_ids for word in (*phones(campaign_id), NAMES[campaign_id])]
    found = re.compile("|".join(words).encode())
    files = [path for path in sorted(data.rglob("*")) if path.is_file()]
    return [path.relative_to(data).as_posix() for path in files if found.search(told(path))]


def told(path: Path) -> bytes:
    """The bytes of a file, and its decompressed content."""
    body = path.read_bytes()
    if body.startswith(b"PAR1"):
        return body + str(pl.read_parquet(path).to_dicts()).encode()
    if path.suffix == ".duckdb":
        return body + str(tables(path)).encode()
    return body


def tables(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables but bookkeeping, sorted."""
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.execute("SET TimeZone = 'Asia/Shanghai'")
        names = connection.execute("SELECT schema_name || '.' || table_name FROM duckdb_tables() ORDER BY 1").fetchall()
        return {
            name: sorted(connection.execute(compared.query(name)).fetchall(), key=str)
            for (name,) in names
            if compared.is_compared(name)
        }


def rows_of(database: Path, campaign_id: str) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of one campaign in every table that names campaigns."""
    with duckdb.connect(str(database), read_only=True) as connection:
        names = connection.execute(
            "SELECT schema_name || '.' || table_name FROM duckdb_columns() WHERE column_name = 'campaign_id' ORDER BY 1"
        ).fetchall()
        return {
            name: sorted(
                connection.execute(f"{compared.query(name)} WHERE campaign_id = ?", [campaign_id]).fetchall(), key=str
            )
            for (name,) in names
            if compared.is_compared(name)
        }


def lists(place: Clocked) -> set[str]:
    entries = [pl.read_parquet(place.landing.root / name) for name in place.landing.suppressions.names()]
    return {phone for entry in entries for phone in entry["phone"]}


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def landed_before(place: Clocked, *, days: float) -> list[str]:
    """The calls and imports that are older, by the time in their names."""
    folders = (place.data / "landing" / kind for kind in (*CALL_KINDS, "imports"))
    names = [str(path) for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [name for name in names if instant_of(name) < datetime.now(UTC) - timedelta(days=days)]


def purge(place: Clocked, days: int = 30, **variables: str) -> Ended:
    return place.run(f"purge --older-than {days} --yes --json", **variables)


def test_old_data_is_in_no_file_and_the_rest_stays_as_it_was(years: Clocked, purged: Purged) -> None:
    held = holding(years.data, "oldest", "old")
    for kind in ("campaigns/old/", "reports/", "replies/", "imports/", "suppressions/", "warehouse"):
        assert any(kind in path for path in held), (kind, held)
    before, listed = rows_of(years.data / "warehouse.duckdb", "new"), lists(years)
    place, done, data = purged.place, purged.done, purged.place.data

    assert (done.code, done.err) == (0, "")
    assert [each["campaign_id"] for each in done.object["campaigns"]] == ["oldest", "old"]
    assert done.object["is_done"] is True
    assert {path for path in holding(data, "oldest", "old") if not path.startswith("landing/suppressions/")} <= {
        "warehouse.duckdb"  # the same lists
    }
    assert told_without_lists(data / "warehouse.duckdb", "oldest", "old") == []
    assert lists(place) >= listed
    assert OPTED_OUT in listed
    after = rows_of(data / "warehouse.duckdb", "new")
    assert after.keys() == before.keys()
    assert [name for name in before if before[name] != after[name]] == []
    assert place.landing.phone_hash_key() == years.landing.phone_hash_key()
    assert {*pl.read_parquet(data / "published/messages")["campaign_id"]} == {"new"}
    assert {"new"} == {
        campaign_id
        for path in data.glob(".published/*/version.json")
        for file in json.loads(path.read_text())["files"].values()
        for campaign_id in file["campaign_ids"]
    }
    status = place.run("status --json").object
    assert [(books["campaign_id"], books["is_balanced"]) for books in status["campaigns"]] == [("new", True)]
    assert status["purged"] == ["old", "oldest"]
    with closing(sqlite3.connect(data / "landing/journal.sqlite")) as journal:
        assert journal.execute("SELECT DISTINCT campaign_id FROM events").fetchall() == [("new",)]
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            journal.execute("DELETE FROM events")


def told_without_lists(database: Path, *campaign_ids: str) -> list[str]:
    """The tables, except that of the lists, that hold a phone or a name of these campaigns."""
    words = [word for campaign_id in campaign_ids for word in (*phones(campaign_id), NAMES[campaign_id])]
    found = tables(database)
    del found["core.suppressions"]
    return [name for name, rows in found.items() if any(word in str(rows) for word in words)]


def test_the_rest_can_be_rebuilt_and_the_gateway_can_repeat_everything(
    purged: Purged, gateway: RunningSandbox, tmp_path: Path
) -> None:
    kept = copy_of(purged.place, tmp_path / "place")
    before = tables(kept.data / "warehouse.duckdb")

    assert kept.run("rebuild").code == 0

    after = tables(kept.data / "warehouse.duckdb")
    assert [name for name in before if before[name] != after[name]] == []
    assert kept.ago(0, gateway, "daily").code in (0, 16)  # the old replies come again and match no campaign now
    assert any("replies/" in path for path in holding(kept.data, "oldest", "old"))
    again = purge(kept)
    assert (again.code, again.object["campaigns"]) == (0, [])
    assert again.object["told_again_count"] > 0
    assert not any("replies/" in path for path in holding(kept.data, "oldest", "old"))
    assert purge(kept).object["is_done"] is False


def test_a_purged_campaign_is_never_sent_again_and_its_final_figures_are_kept(
    years: Clocked, purged: Purged, tmp_path: Path
) -> None:
    before = years.run("status old --json").object
    kept = copy_of(purged.place, tmp_path / "place")

    said = ("campaign old was purged on 20", "choose another campaign id")
    kept.run("submit old.parquet --campaign old").fails(2, *said)
    kept.run("submit new.parquet --campaign old --dry-run").fails(2, *said)
    kept.run("resume old").fails(2, *said)
    kept.run("resolve old").fails(2, *said)
    kept.run("report old").fails(2, "old", "smsrecon status")
    after = kept.run("status old --json").object
    assert after.pop("purged_at")
    explains = {"as_of", "batches", "reasons", "codes", "refusals", "exceptions", "proven_batch_count"}
    assert {name: after[name] for name in after.keys() - explains} == {
        name: before[name] for name in after.keys() - explains
    }
    page = kept.run("status old")
    assert (page.code, page.err) == (0, "")
    assert page.out.startswith("Campaign old, purged on 20")
    assert "balanced" in page.out
    books = kept.run("status").out
    assert books.splitlines()[-1] == "2 purged campaigns: 'smsrecon status old' shows the final figures"
    assert all(len(line) <= 80 for line in (page.out + books).splitlines())


def test_a_dry_run_changes_nothing_and_shows_what_goes_and_what_stays(kept: Clocked) -> None:
    landing, published = snapshot(kept.data / "landing"), (kept.data / "published").resolve()

    shown = kept.run("purge --older-than 30 --dry-run")

    assert (shown.code, shown.err) == (0, "")
    for words in ("All that came before 20", "campaigns       2", "rows            60", "oldest", "old "):
        assert words in shown.out
    assert all(len(line) <= 80 for line in shown.out.splitlines())
    found = kept.run("purge --older-than 38 --dry-run --json").object
    assert (found["is_done"], [each["campaign_id"] for each in found["campaigns"]]) == (False, ["oldest"])
    (staying,) = found["staying"]
    assert (staying["campaign_id"], staying["reason"][:23]) == ("old", "last report or reply on")
    assert staying["next_step"].startswith("can be purged from 20")
    assert kept.run("purge --older-than 300").out == "No campaign that may be deleted is older than 300 days.\n"
    kept.run("purge --older-than 30").fails(2, "--dry-run", "--yes")
    kept.run("purge --older-than 30 --json").fails(2, "--dry-run", "--yes")
    kept.run("purge --older-than 0 --yes").fails(2, "--older-than")
    kept.run("purge --older-than soon --yes").fails(2, "--older-than")
    kept.run("purge --yes").fails(2, "--older-than")
    refused = kept.answer("purge --older-than 30", "n\n")
    assert refused.code == 2
    old = landed_before(kept, days=30)
    question = f"Remove 2 campaigns and {len(old)} files for good? It can't be undone. [y/N]"
    assert refused.err.startswith(question)
    assert re.search(rf"^calls, imports +{len(old)}$", shown.out, re.MULTILINE)
    assert refused.err.endswith("smsrecon: nothing was purged\n")
    assert snapshot(kept.data / "landing") == landing
    assert (kept.data / "published").resolve() == published


def test_in_an_empty_folder_a_purge_does_nothing(place: Place) -> None:
    assert place.run("purge --older-than 30").out == "No campaign that may be deleted is older than 30 days.\n"
    assert not (place.folder / "data").exists()


def test_while_a_campaign_is_sent_nothing_is_purged(kept: Clocked) -> None:
    before = snapshot(kept.data / "landing" / "campaigns")
    with kept.landing.campaigns.lock("new"):
        purge(kept).fails(15, "new", "being sent")
    assert snapshot(kept.data / "landing" / "campaigns") == before


def test_a_plan_that_changed_before_consent_is_not_carried_out_but_the_new_one_is(kept: Clocked) -> None:
    """Between question and answer an import brings a report of a campaign that was to be purged: so it stays."""
    (kept.folder / "more.csv").write_text(
        f"手机号,状态码,批次号,回执时间\n{phones('old')[4]},MK:0001,{batch_of(kept)},{days_ago(39)}\n"
    )

    def hesitate(*_: object, **__: object) -> None:
        assert kept_too.run("import-reports more.csv --yes").code == 0

    kept_too = Clocked(kept.folder, kept.variables)
    with mock.patch("pipelines.console.retention.agree", hesitate):
        kept.run("purge --older-than 30").fails(2, "changed meanwhile")

    assert kept.landing.campaigns.purged_ids() == []
    (staying,) = kept.run("purge --older-than 30 --dry-run --json").object["staying"]
    assert staying["campaign_id"] == "old"
    agreed = kept.answer("purge --older-than 30", "y\n")
    assert (agreed.code, agreed.out.splitlines()[-1]) == (0, "Deleted.")
    assert kept.landing.campaigns.purged_ids() == ["oldest"]


@pytest.fixture
def changing(tmp_path: Path, gateway: RunningSandbox) -> Clocked:
    """Four old campaigns: two that are done, one in doubt, and one that is not sent."""
    folder = tmp_path / "place"
    folder.mkdir()
    others = {"SMSRECON_INSTALLATION": tmp_path.name, "SMSRECON_PLAN__BATCH_SIZE": "10"}
    place = Clocked(folder, gateway_at(gateway.base_url) | others)
    pl.DataFrame({"phone": [f"135{number:08}" for number in range(20)]}).write_parquet(folder / "people.parquet")

    def submit(campaign_id: str, days: float) -> Ended:
        return place.ago(days, gateway, f"submit people.parquet --campaign {campaign_id} --content 【公司】您好")

    assert submit("first", 60).code == 0
    place.ago(56, gateway, "pull")
    gateway.control(faults=[Fault("drop", is_accepted=False)])
    assert submit("doubtful", 50).code == 13
    balance = gateway.control()["balance"]
    gateway.control(balance=1)
    submit("unsent", 45).fails(11, "balance")
    gateway.control(balance=balance)
    assert submit("later", 40).code == 0
    place.ago(36, gateway, "daily")
    return place


def staying(place: Clocked) -> list[list[str]]:
    found = place.run("purge --older-than 20 --dry-run --json").object["staying"]
    return [[each["campaign_id"], each["reason"], each["next_step"]] for each in found]


def test_campaigns_that_can_still_change_are_named_with_the_next_step(changing: Clocked) -> None:
    doubtful, unsent, later = staying(changing)

    assert doubtful == ["doubtful", "10 in doubt", "smsrecon resolve doubtful"]
    assert [unsent[0], unsent[2]] == ["unsent", "smsrecon resume unsent"]
    assert unsent[1] in {f"{number} to send" for number in range(10, 21)}  # opt-outs meanwhile are suppressed
    assert later == ["later", "overlaps doubtful, which stays", "smsrecon status doubtful"]


@pytest.mark.deep  # the fast lane has the test above, and tests of the cutoff in tests/unit/test_retention.py
def test_campaigns_that_can_still_change_stay_with_everything_since_they_began(changing: Clocked) -> None:
    place, landed = changing, changing.landing.calls.names("reports")
    _, unsent, _ = staying(place)

    done = purge(place, 20)

    assert [each["campaign_id"] for each in done.object["campaigns"]] == ["first"]
    assert all(len(line) <= 80 for line in place.run("purge --older-than 20 --dry-run").out.splitlines())
    gone = {*landed} - {*place.landing.calls.names("reports")}
    assert gone
    assert all(name < f"reports/{days_ago(50)[:10]}" for name in gone)
    assert place.run("resolve doubtful --accept all --yes").code == 0
    overlaps = ["overlaps unsent, which stays", "smsrecon status unsent"]
    doubtful, *others = [["doubtful", *overlaps], unsent, ["later", *overlaps]]
    assert staying(place) in ([doubtful, *others], others)  # it stays if something came of it when unsent had begun
    assert place.run(f"suppress add {' '.join(f'135{number:08}' for number in range(20))}").code == 0
    assert place.run("resume unsent").code == 0  # all its messages are suppressed, so its planning counts
    done = purge(place, 20)
    assert {each["campaign_id"] for each in done.object["campaigns"]} == {"doubtful", "unsent", "later"}
    assert place.run("status --json").object["campaigns"] == []
    assert place.run("daily").code in (0, 16)


def test_opt_outs_are_listed_before_their_replies_are_purged_under_any_policy(kept: Clocked) -> None:
    for name in kept.landing.suppressions.names():  # as if no phone had been listed
        (kept.landing.root / name).unlink()
    kept.run("rebuild")
    with duckdb.connect(str(kept.data / "warehouse.duckdb"), read_only=True) as warehouse:
        dead = "SELECT phone FROM core.recipients SEMI JOIN marts.code_breakdown USING (campaign_id)"
        assert warehouse.execute(dead).fetchone()
        opted_out = {
            phone for (phone,) in warehouse.execute("SELECT phone FROM core.reply_matches WHERE is_opt_out").fetchall()
        }
    policy = {"SMSRECON_POLICY__SUPPRESS": "[]", "SMSRECON_POLICY__HARD_FAILURES": "1"}

    done = purge(kept, **policy)

    assert OPTED_OUT in opted_out
    assert lists(kept) == opted_out
    assert done.object["to_list_count"] == len(opted_out)
    assert done.object["unlisted_count"] > 0


def test_a_killed_purge_continues_and_everything_else_works_meanwhile(kept: Clocked) -> None:
    before = rows_of(kept.data / "warehouse.duckdb", "new")
    marked = {"purge.before_marks": [], "purge.between_marks": ["oldest"]}  # at all later points both are
    points = [point for point in POINTS if point.startswith("purge.")]
    for point in cases(
        fast=("purge.between_marks", "purge.before_rebuild"), deep=(*points[:3], "journal.before_commit", *points[3:])
    ):
        kept.die("purge --older-than 30 --yes", point)
        purged = marked.get(point, ["old", "oldest"])
        assert kept.landing.campaigns.purged_ids() == purged
        status = kept.run("status --json")
        assert (status.code, status.object["purged"]) == (0, purged)
        counted = {books["campaign_id"]: books["is_balanced"] for books in status.object["campaigns"]}
        assert counted == dict.fromkeys({"oldest", "old", "new"} - {*purged}, True)
        for campaign_id in purged:
            kept.run(f"submit {campaign_id}.parquet --campaign {campaign_id}").fails(2, "was purged on")

    done = purge(kept)

    assert (done.code, done.object["is_unfinished"]) == (0, True)
    assert told_without_lists(kept.data / "warehouse.duckdb", "oldest", "old") == []
    rest = {path.partition("/suppressions/")[0] for path in holding(kept.data, "oldest", "old")}
    assert rest <= {"landing", "warehouse.duckdb"}
    assert not kept.landing.purging_path.exists()
    after = rows_of(kept.data / "warehouse.duckdb", "new")
    assert [name for name in before if before[name] != after[name]] == []
    assert purge(kept).out.count('"is_unfinished": false') == 1


def days_ago(days: float) -> str:
    return f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d %H:%M:%S}"


def batch_of(place: Clocked) -> str:
    with duckdb.connect(str(place.data / "warehouse.duckdb"), read_only=True) as warehouse:
        query = "SELECT batch_num FROM core.batches WHERE campaign_id = 'old' ORDER BY batch_num"
        return str(warehouse.execute(query).fetchall()[0][0])

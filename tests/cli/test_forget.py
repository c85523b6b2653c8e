"""An erased person is in no file any more, in any form; the books stay the same."""

import json
import os
import shutil
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from pipelines.sandbox import SandboxSettings
from pipelines.sandbox.settings import Shares
from tests.support.depth import cases
from tests.support.places import Place, gateway_at
from tests.support.sandboxes import ForkedSandbox

WHO = "13912345678"
SPACED, FULL_WIDTH = (
    f"{WHO[:3]} {WHO[3:7]} {WHO[7:]}",
    WHO.translate(str.maketrans("0123456789", "０１２３４５６７８９")),
)
OTHERS = [f"138{row:08}" for row in range(30)]
NAME = "佐藤夏目"  # from the owner's columns
FORMATS = ["json", "xml"]


@pytest.fixture(scope="module", params=FORMATS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A person in all kinds of files: texts, mission numbers, columns, reports, replies, exports, lists, an answer."""
    folder = tmp_path_factory.mktemp("made") / "place"
    folder.mkdir()
    shares = Shares(reply=1, duplicate=0.2, conflict=0.1, phone_mismatch=0.1)
    with ForkedSandbox(SandboxSettings(truth=folder.parent / "gateway.sqlite", seed=11, shares=shares)) as gateway:
        form = {"SMSRECON_GATEWAY__FORMAT": request.param, "SMSRECON_PLAN__BATCH_SIZE": "10"}
        place = Place(folder, gateway_at(gateway.base_url) | form)
        phones = [*OTHERS[:15], f"+86 {WHO[:3]}-{WHO[3:]}", *OTHERS[15:], WHO, f"-{WHO}", "12"]
        frame = pl.DataFrame(
            {
                "phone": phones,
                "content": [f"【公司】{NAME if WHO[3:] in phone else 'x'}您好" for phone in phones],
                "mission_num": [
                    f"u_{phone[-11:].replace('-', '') if len(phone) > 2 else 'z'}_{n}" for n, phone in enumerate(phones)
                ],
                "name": [NAME if WHO[3:] in phone else "x" for phone in phones],
                "friend": [f"ask +86{WHO}"] * len(phones),
                "called": [int(WHO)] * len(phones),
                "kin": [f"ask {SPACED}, {FULL_WIDTH}"] * len(phones),
            }
        )
        frame = frame.with_columns(mission_num=pl.col("mission_num").str.replace("u_345678", f"u_{WHO}"))
        frame.write_parquet(folder / "people.parquet")
        frame.drop("mission_num").write_parquet(folder / "others.parquet")
        assert place.run("submit people.parquet --campaign a").code == 0
        assert place.run("submit others.parquet --campaign b").code == 0
        rows = [
            "手机号,状态码,回执时间",
            f"{WHO},DELIVRD,2026-11-20 08:00:00",
            f"{OTHERS[0]},MK:0001,2026-11-20 08:00:00",
        ]
        (folder / "export.csv").write_bytes("\n".join(rows).encode("gbk"))
        said = ["手机号,回复内容,回复时间", f"86{WHO},我是{NAME},2026-11-20 09:00:00", f"{WHO},TD,2026-11-20 09:01:00"]
        said += [f"{SPACED},我在{NAME},2026-11-20 09:02:00", f"{FULL_WIDTH},{NAME}家,2026-11-20 09:03:00"]
        (folder / "said.csv").write_text("\n".join(said))
        assert place.run("import-reports export.csv --yes").code == 0
        rows = ["手机号,状态码,回执时间", f"{OTHERS[0]},MK:0001,2026-11-21 08:00:00", f"{WHO},DELIVRD,x,{WHO}"]
        (folder / "too_long.csv").write_text("\n".join(rows))
        assert place.run("import-reports too_long.csv --yes").code == 0
        assert place.run("import-reports said.csv --replies --yes").code == 0
        gateway.control(clock_shift_seconds=86400)
        place.run("daily")
        place.run(f"suppress add {WHO} {OTHERS[3]} --reason complained")
        with closing(sqlite3.connect(folder / "data/landing/journal.sqlite")) as journal:
            journal.execute(
                "INSERT INTO events (happened_at, campaign_id, event, answer) VALUES (1, 'a', 'paused', ?)",
                [f"号码{WHO}格式错误".encode("gbk")],
            )
            journal.commit()
        return place


@pytest.fixture
def kept(made: Place, tmp_path: Path) -> Place:
    """A copy of the folder."""
    return Place(Path(shutil.copytree(made.folder, tmp_path / "place", symlinks=True)), made.variables)


def holding(folder: Path, *words: str) -> list[str]:
    """The files that hold one of these words, as bytes or in a cell."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            body = path.read_bytes()
            if body.startswith(b"PAR1"):
                body += json.dumps(pl.read_parquet(path).to_dicts(), default=str, ensure_ascii=False).encode()
            if any(word.encode(code) in body for word in words for code in ("utf-8", "gbk", "utf-16-le")):
                found.append(path.relative_to(folder).as_posix())
    return found


def books(place: Place) -> list[dict[str, Any]]:
    campaigns = place.run("status --json").object["campaigns"]
    return [books | {"as_of": None} for books in campaigns]


@pytest.mark.parametrize("made", cases(fast=["xml"], deep=FORMATS), indirect=True)
def test_an_erased_person_is_in_no_file_and_the_books_stay_the_same(kept: Place) -> None:
    data = kept.folder / "data"
    before, listed = books(kept), kept.run("suppress list --json").object
    held = holding(data, WHO, NAME)
    kinds = ("campaigns/a", "campaigns/b", "reports/", "replies/", "imports/", "suppressions/", "journal", "warehouse")
    assert all(any(kind in path for path in held) for kind in kinds), held
    assert kept.run("publish").code == 0
    old = [path.open("rb") for path in (data / ".published").rglob("*") if path.is_file()]  # held: no inode comes again

    done = kept.feed("forget - --yes --json", f"+86{WHO}\n".encode("utf-16"))

    assert (done.code, done.object["row_count"]) == (0, 6), done.err
    assert holding(data, WHO, SPACED, FULL_WIDTH, NAME) == []
    with ExitStack() as opened:
        inodes = {os.fstat(opened.enter_context(file).fileno()).st_ino for file in old}
        shared = [path for path in (data / ".published").rglob("*") if path.stat().st_ino in inodes]
    assert shared == []
    assert books(kept) == before
    assert all(each["is_balanced"] for each in before)
    assert kept.run("rebuild").code == 0
    assert books(kept) == before
    after = kept.run("suppress list --json").object
    assert (after["phone_count"], after["reasons"]["forgotten"]) == (listed["phone_count"], 1)
    with duckdb.connect(str(data / "published/analytics.duckdb"), read_only=True) as published:
        gone = published.execute(
            "SELECT count(*), count(phone_hash) FROM messages WHERE phone_masked IS NULL"
        ).fetchone()
    assert gone == (6 + 2, 0)
    assert not (data / "landing/forgetting.json").exists()
    with (
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
        closing(sqlite3.connect(data / "landing/journal.sqlite")) as journal,
    ):
        journal.execute("UPDATE events SET answer = NULL")


@pytest.mark.parametrize("made", ["json"], indirect=True)
def test_a_killed_erasure_continues(kept: Place) -> None:
    before = books(kept)
    for time in cases(fast=(3,), deep=(1, 3, 5)):
        kept.die(f"forget {WHO} --yes", f"file.before_rename:{time}")
    kept.run(f"forget {OTHERS[0]} --yes").fails(2, "the erasure of another phone is unfinished")

    assert kept.run(f"forget {WHO} --yes").code == 0

    assert holding(kept.folder / "data", WHO, NAME) == []
    assert books(kept) == before


@pytest.mark.parametrize("made", ["json"], indirect=True)
def test_lists_can_be_kept_and_nothing_is_done_without_consent(kept: Place) -> None:
    kept.run("forget 12 --yes").fails(2, "the phone is not valid")
    kept.run(f"forget {WHO}").fails(2, "--yes")
    assert holding(kept.folder / "data", NAME)

    assert kept.run(f"forget {WHO} --keep-suppressed --yes").code == 0

    held = holding(kept.folder / "data", WHO, NAME)
    assert any(path.startswith("landing/suppressions/") for path in held)
    assert all(path.startswith(("landing/suppressions/", "warehouse.duckdb")) for path in held)
    assert kept.run("forget 13700000000 --yes").code == 0  # a phone that is in no file


def test_damaged_files_are_erased_too(place: Place) -> None:
    landing = place.folder / "data" / "landing"
    day = "2026-11-20/101010.000000Z"
    for name in (f"reports/{day}-000.call", f"imports/{day}-0.import", f"pushes/{day}-1.segment"):
        (landing / name).parent.mkdir(parents=True, exist_ok=True)
        (landing / name).write_bytes(f'{{"kind": "nothing" 86{WHO}\n{WHO}'.encode())

    assert place.run(f"forget {WHO} --yes").code == 0

    assert holding(place.folder / "data", WHO) == []
    assert len([*landing.rglob("*.call"), *landing.rglob("*.import"), *landing.rglob("*.segment")]) == 3

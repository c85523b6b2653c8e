"""Phones on a list get no messages, from new plans and from running campaigns; and no command shows the phones."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from pipelines.campaign.suppressions import suppressed_phones
from pipelines.errors import InputRefused
from pipelines.landing.landing import Landing
from pipelines.sandbox import RunningSandbox, SandboxSettings
from pipelines.sandbox.settings import Shares
from tests.support.places import CONTENT, Place, closed_window, ended, gateway_at
from tests.support.sandboxes import ForkedSandbox

PEOPLE = [f"138{row:08}" for row in range(40)]
SUBMIT = f"submit people.parquet --campaign c --content {CONTENT} --json"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[RunningSandbox]:
    with ForkedSandbox(
        SandboxSettings(truth=tmp_path / "gateway.sqlite", seed=3, shares=Shares(reply=1, failed=0, unreported=0))
    ) as gateway:
        yield gateway


@pytest.fixture
def desk(tmp_path: Path, gateway: RunningSandbox) -> Place:
    folder = tmp_path / "place"
    folder.mkdir()
    pl.DataFrame({"phone": PEOPLE}).write_parquet(folder / "people.parquet")
    return Place(folder, gateway_at(gateway.base_url) | {"SMSRECON_PLAN__BATCH_SIZE": "10"})


def sent_to(gateway: RunningSandbox) -> list[str]:
    with closing(sqlite3.connect(gateway.settings.truth)) as truth:
        return [phone for (phone,) in truth.execute("SELECT phone FROM messages ORDER BY phone")]


def balanced(place: Place) -> dict[str, Any]:
    status = place.run("status c --json").object
    assert status["is_balanced"]
    return status


def statuses(status: dict[str, Any]) -> dict[str, int]:
    return {name: number for name, number in status["statuses"].items() if number}


def test_listed_phones_are_left_out_of_plans_until_removed(desk: Place, gateway: RunningSandbox) -> None:
    (desk.folder / "phones.txt").write_text("+86 138 0000 0001\n".replace(" ", "") + "13800000002\n")
    with (desk.folder / "phones.txt").open() as phones, desk.start("suppress add - --json", stdin=phones) as process:
        assert ended(process).object["phone_count"] == 2
    assert desk.run(f"suppress add {PEOPLE[3]} --reason complained").code == 0
    assert desk.run(f"suppress remove {PEOPLE[2]}").code == 0

    assert desk.run(SUBMIT).code == 0

    assert statuses(balanced(desk)) == {"suppressed": 2, "accepted": 38}
    assert set(PEOPLE) - set(sent_to(gateway)) == {PEOPLE[1], PEOPLE[3]}
    assert desk.run("suppress list --json").object["reasons"] == {"by_hand": 1, "complained": 1}


@pytest.mark.parametrize("charset", ["utf-8-sig", "gbk", "utf-16", "utf-16-le", "utf-16-be"])
def test_phones_of_standard_input_are_read_in_every_charset(charset: str, place: Place) -> None:
    phones = "13800000001\r\n13800000002\u3000\r\n".encode(charset)

    assert place.feed("suppress add - --json", phones).object["phone_count"] == 2
    assert place.feed("suppress remove - --json", phones).object["phone_count"] == 2


@pytest.mark.parametrize(
    ("command", "given", "words"),
    [
        ("suppress add -", b"\xff\xff\x00\x01", ["UTF-8", "GBK"]),
        ("suppress remove -", b"\xff\xff\x00\x01", ["UTF-8", "GBK"]),
        ("suppress add -", "13800000001\n退订\n".encode("gbk"), ["number 2"]),
        ("suppress add -", b"", ["no phone"]),
        ("forget - --yes", b"\x00\xff", ["UTF-8", "GBK"]),
        ("forget - --yes", b"13800000001\n13800000002\n", ["2 phones", "give one"]),
        ("forget - --yes", b"\n", ["0 phones", "give one"]),
    ],
)
def test_standard_input_that_is_no_list_of_phones_is_one_line(
    command: str, given: bytes, words: list[str], place: Place
) -> None:
    ended = place.feed(command, given)

    ended.fails(2, *words)
    assert "1380000000" not in ended.err
    assert not (place.folder / "data").exists()


def test_phones_listed_during_a_pause_are_suppressed_with_the_reason(desk: Place, gateway: RunningSandbox) -> None:
    assert desk.run(SUBMIT, SMSRECON_PLAN__SEND_WINDOW=closed_window()).object["still_to_send"] == 40
    listed = [PEOPLE[0], *PEOPLE[14:17], PEOPLE[39]]
    desk.run(f"suppress add {' '.join(listed)} --reason opted_out")

    resumed = desk.run("resume c --json")

    assert resumed.object["submitted_now"] == {"accepted": 35, "refused": 0, "in_doubt": 0, "suppressed": 5}
    assert sent_to(gateway) == sorted(set(PEOPLE) - set(listed))
    status = balanced(desk)
    assert statuses(status) == {"suppressed": 5, "accepted": 35}
    assert ["suppressed", "opted_out", 5] in [
        [line["status"], line["reason"], line["row_count"]] for line in status["reasons"]
    ]
    assert desk.run("publish").code == 0
    rows = desk.run("sql \"FROM messages WHERE status = 'suppressed'\" --json").object["rows"]
    assert {(row["reason"], row["batch_num"], row["submitted_at"]) for row in rows} == {("opted_out", None, None)}

    desk.run(f"suppress remove {' '.join(listed)}")
    assert desk.run("resume c --json").object["submitted_now"]["accepted"] == 0  # suppressed messages stay suppressed
    assert desk.run("rebuild").code == 0
    assert statuses(balanced(desk)) == {"suppressed": 5, "accepted": 35}


def test_an_unreadable_list_pauses_the_campaign_before_the_next_message(desk: Place, gateway: RunningSandbox) -> None:
    assert desk.run(SUBMIT, SMSRECON_PLAN__SEND_WINDOW=closed_window()).object["still_to_send"] == 40
    (desk.folder / "data/landing/suppressions").mkdir()
    (desk.folder / "data/landing/suppressions/broken.parquet").write_bytes(b"PAR1")

    desk.run("resume c --json").fails(10, "paused", "broken.parquet", "smsrecon resume c")

    assert sent_to(gateway) == []
    (desk.folder / "data/landing/suppressions/broken.parquet").unlink()
    assert desk.run("resume c --json").object["submitted_now"]["accepted"] == 40


def test_a_list_counts_however_its_phones_are_written(desk: Place, gateway: RunningSandbox) -> None:
    first, second, third, fourth, fifth, sixth, seventh, eighth = PEOPLE[:8]
    put_list(desk, "floats", [float(first)])
    put_list(desk, "decimals", [Decimal(f"{second}.0")])
    put_list(desk, "integers", [int(third)])
    marked = [f"'{fifth}", f"086-{sixth}", f"0{seventh}", f"\u202d{eighth[:3]} {eighth[3:7]}\u00a0{eighth[7:]}\u202c"]
    put_list(desk, "texts", [f"{fourth}.0", *marked])

    assert desk.run(SUBMIT).code == 0

    assert statuses(balanced(desk)) == {"suppressed": 8, "accepted": 32}
    assert {*PEOPLE[:8]}.isdisjoint(sent_to(gateway))
    assert loaded(desk, "SELECT phone FROM core.suppressions ORDER BY phone") == [(phone,) for phone in PEOPLE[:8]]


def test_a_row_that_is_no_phone_stops_the_sending_until_it_is_accepted(desk: Place, gateway: RunningSandbox) -> None:
    put_list(desk, "theirs", [PEOPLE[1], "13800000001 13800000002"])

    desk.run(SUBMIT).fails(10, "theirs.parquet", "rows 1 of", "--accept-unreadable")
    assert sent_to(gateway) == []

    assert desk.run(f"{SUBMIT} --accept-unreadable").code == 0
    status = balanced(desk)
    assert statuses(status) == {"suppressed": 1, "accepted": 39}
    rejects = "SELECT source_file, position FROM core.rejects"
    assert loaded(desk, rejects) == [("suppressions/theirs.parquet", 1)]


@pytest.mark.parametrize("wrong", ["12", "1-415-555-2671", "13800000001/2", None, "", "全部"])
def test_any_row_that_is_no_phone_is_told(desk: Place, wrong: str | None) -> None:
    put_list(desk, "theirs", [PEOPLE[1], wrong, PEOPLE[2]])

    with pytest.raises(InputRefused, match=r"theirs\.parquet: rows 1 of"):
        suppressed_phones(Landing(desk.folder / "data/landing"))


def test_a_row_that_is_no_phone_pauses_a_campaign_that_is_being_sent(desk: Place, gateway: RunningSandbox) -> None:
    assert desk.run(SUBMIT, SMSRECON_PLAN__SEND_WINDOW=closed_window()).object["still_to_send"] == 40
    put_list(desk, "theirs", ["12", "13", *PEOPLE[:2], *["x"] * 5])
    put_list(desk, "others", ["12"])

    desk.run("resume c --json").fails(10, "paused", "others.parquet: rows 0 of", "1 more")
    (desk.folder / "data/landing/suppressions/others.parquet").unlink()
    desk.run("resume c --json").fails(10, "paused", "theirs.parquet: rows 0, 1, 4, 5, 6 and 2 more of")
    assert sent_to(gateway) == []

    assert desk.run("resume c --accept-unreadable --json").object["submitted_now"]["accepted"] == 38
    assert desk.run("suppress list").code == 0


def test_a_list_of_inexact_floats_is_refused_by_name(desk: Place, gateway: RunningSandbox) -> None:
    put_list(desk, "theirs", pl.Series([float(phone) for phone in PEOPLE[:2]], dtype=pl.Float32))

    desk.run(SUBMIT).fails(10, "theirs.parquet", "'phone'", "Float32", "text or whole numbers")

    assert sent_to(gateway) == []


def loaded(desk: Place, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(desk.folder / "data/warehouse.duckdb"), read_only=True) as warehouse:
        return warehouse.sql(query).fetchall()


@pytest.mark.parametrize("name", ["theirs.csv", "theirs.PARQUET", "theirs.parq", "theirs"])
def test_a_file_beside_the_lists_that_is_none_stops_the_sending(desk: Place, name: str) -> None:
    put_list(desk, "theirs", PEOPLE[:2])
    lists = desk.folder / "data/landing/suppressions"
    (lists / "theirs.parquet").rename(lists / name)

    desk.run(f"{SUBMIT} --dry-run").fails(10, name, ".parquet", "suppress import")
    finding = next(each for each in desk.run("doctor --json").object["findings"] if each["name"] == "suppression lists")
    assert (finding["verdict"], name in finding["detail"]) == ("error", True)


def test_a_file_beside_the_lists_pauses_a_campaign_that_is_being_sent(desk: Place, gateway: RunningSandbox) -> None:
    assert desk.run(SUBMIT, SMSRECON_PLAN__SEND_WINDOW=closed_window()).object["still_to_send"] == 40
    (desk.folder / "data/landing/suppressions").mkdir()
    (desk.folder / "data/landing/suppressions/theirs.csv").write_text(f"phone\n{PEOPLE[0]}\n")

    desk.run("resume c --json").fails(10, "paused", "theirs.csv", "suppress import")

    assert sent_to(gateway) == []


def test_all_columns_of_a_file_that_hold_phones_are_listed_and_named(desk: Place) -> None:
    rows = ("phone,mobile,name", "010-88888888,13800000001,a", ",138 0000 0002,b", "13800000003,13800000004,c")
    (desk.folder / "list.csv").write_text("\n".join(rows))

    brought = desk.run("suppress import list.csv --json").object

    assert (brought["phone_count"], brought["rejected_count"]) == (4, 0)
    assert brought["columns"] == ["phone", "mobile"]
    assert "phone, mobile" in desk.run("suppress import list.csv").out
    (desk.folder / "list.csv").write_text("\n".join((*rows, "010-77777777,,d")))
    desk.run("suppress import list.csv").fails(10, "rows 5 hold no phone in columns 'phone', 'mobile'")


@pytest.mark.parametrize("command", ["suppress import list.parquet", "import-reports list.parquet --yes"])
def test_a_parquet_file_of_inexact_floats_is_refused_by_name(desk: Place, command: str) -> None:
    floats = pl.Series("phone", [13812345678.0, 13812345679.0], dtype=pl.Float32)
    frame = pl.DataFrame([floats]).with_columns(code=pl.lit("DELIVRD"), stat_time=pl.lit("2026-11-01 08:00:00"))
    frame.write_parquet(desk.folder / "list.parquet")

    desk.run(command).fails(10, "list.parquet", "'phone'", "Float32")


def put_list(desk: Place, name: str, phones: list[Any] | pl.Series) -> None:
    folder = desk.folder / "data/landing/suppressions"
    folder.mkdir(parents=True, exist_ok=True)
    since_at = datetime(2026, 11, 1, tzinfo=UTC)
    frame = pl.DataFrame({"phone": phones}).with_columns(reason=pl.lit("theirs"), since_at=pl.lit(since_at))
    frame.write_parquet(folder / f"{name}.parquet")


def test_daily_lists_opt_outs_and_a_removal_lasts_until_the_next_opt_out(desk: Place, gateway: RunningSandbox) -> None:
    assert desk.run(SUBMIT).code == 0
    gateway.control(clock_shift_seconds=86400)
    assert desk.run("daily", SMSRECON_ALERTS__MAX_ORPHAN_SHARE="1").code == 0

    reasons = desk.run("suppress list --json").object["reasons"]
    assert set(reasons) == {"opted_out"}
    shown = desk.run("suppress list")
    assert not [phone for phone in PEOPLE if phone in shown.out]
    assert "138****" in shown.out
    desk.run("daily")
    assert desk.run("suppress list --json").object["reasons"] == reasons  # they are listed once
    assert len(list((desk.folder / "data/landing/suppressions").iterdir())) == 1

    listed = pl.read_parquet(desk.folder / "data/landing/suppressions")["phone"].to_list()
    desk.run(f"suppress remove {' '.join(listed)}")
    assert desk.run("suppress list").out == "No phone is on a list.\n"
    desk.run("daily")
    assert desk.run("suppress list").out == "No phone is on a list.\n"


def test_the_last_change_counts_even_if_the_clock_was_set_back(desk: Place) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    ahead = pl.DataFrame(
        {"phone": PEOPLE[:2], "reason": "ahead", "since_at": [tomorrow] * 2, "is_removed": [False, True]}
    )
    (desk.folder / "data/landing/suppressions").mkdir(parents=True)
    ahead.write_parquet(desk.folder / "data/landing/suppressions/ahead.parquet")

    assert desk.run(f"suppress remove {PEOPLE[0]}").code == 0
    assert desk.run(f"suppress add {PEOPLE[1]}").code == 0

    assert desk.run("suppress list --json").object["reasons"] == {"by_hand": 1}


def test_a_file_of_phones_is_imported_with_its_reasons(desk: Place) -> None:
    rows = (
        "手机号,reason,since_at",
        "13800000001,投诉,2026-11-01",
        "+8613800000002,,2026-11-02 08:00:00",
        "12,x,2026-11-01",
    )
    (desk.folder / "list.csv").write_bytes("\n".join(rows).encode("gbk"))

    desk.run("suppress import list.csv").fails(
        10, "list.csv", "'手机号'", "rows 4 hold no phone", "--accept-unreadable"
    )
    assert desk.run("suppress list").out == "No phone is on a list.\n"
    brought = desk.run("suppress import list.csv --reason imported --accept-unreadable --json")

    assert (brought.object["phone_count"], brought.object["rejected_count"]) == (2, 1)
    assert desk.run("suppress list --json").object["reasons"] == {"imported": 1, "投诉": 1}


def test_wrong_arguments_are_one_line_and_land_nothing(desk: Place) -> None:
    (desk.folder / "no.csv").write_text("a,b\n1,2\n")
    (desk.folder / "late.csv").write_text("phone,since_at\n13800000001,yesterday\n")
    desk.run("suppress add").fails(2, "no phone was given")
    desk.run("suppress add 13800000001 4711").fails(2, "number 2 of the phones is not valid")
    desk.run("suppress remove 13800000001").fails(2, "1 of the phones are on no list")
    desk.run("suppress import no.csv").fails(10, "no.csv", "name the column phone")
    desk.run("suppress import late.csv").fails(10, "late.csv", "'since_at' is not a time in 1 rows")
    desk.run("suppress import nothing.csv").fails(10, "nothing.csv", "can't be read")
    assert not [name for name in desk.files() if "suppressions" in name]

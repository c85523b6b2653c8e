"""The input of `submit`: files and rows are shown, whatever was left out is named, and nobody is sent to twice."""

from pathlib import Path

import polars as pl
import pytest

from tests.support.places import CONTENT, Place
from tests.support.web import answer, serving

SUBMIT = f"submit {{}} --campaign c --content {CONTENT}"


@pytest.fixture
def parts(place: Place) -> Path:
    """A folder of two files of a partition, and two that are not Parquet."""
    folder = place.folder / "lists" / "run=7"
    folder.mkdir(parents=True)
    pl.DataFrame({"phone": ["13800000001", "13800000002"]}).write_parquet(folder / "a.PARQUET")
    pl.DataFrame({"phone": ["13800000003"]}).write_parquet(folder / "part-0")
    (folder / "people.csv").touch()
    (folder / "read me").touch()
    return folder


def test_a_dry_run_shows_files_and_rows_and_names_what_is_left_out(place: Place, parts: Path) -> None:
    plan = place.run(SUBMIT.format("lists/run=7 --dry-run --json")).object
    shown = " ".join(place.run(SUBMIT.format("lists/run=7 --dry-run")).out.split())

    assert (plan["file_count"], plan["rows"]) == (2, 3)
    assert plan["left_out"] == {"count": 2, "first_names": ["people.csv", "read me"]}
    assert "files 2" in shown
    assert "rows of the file 3" in shown
    assert "left out 2: people.csv, read me" in shown


def test_a_submission_names_what_is_left_out(sending: Place, parts: Path) -> None:
    ended = sending.run(SUBMIT.format("lists/run=7"))

    assert ended.code == 0
    assert " 0 still to send; left out of the input: 2: people.csv, read me" in " ".join(ended.out.split())


def test_files_that_were_left_out_are_an_alert_of_a_day_and_a_line_of_status_and_doctor(
    sending: Place, parts: Path
) -> None:
    sending.run(SUBMIT.format("lists/run=7"))

    day, status, doctor = (sending.run(command) for command in ("daily --json", "status", "doctor --json"))

    told = "campaign c: of the folder that it was planned from, 2 files were not read"
    assert (day.code, [problem[: len(told)] for problem in day.object["problems"]].count(told)) == (16, 1)
    assert (status.code, told in " ".join(status.err.split())) == (16, True)
    (records,) = [check for check in doctor.object["findings"] if check["name"] == "records"]
    assert (doctor.code, records["verdict"], records["detail"][: len(told)]) == (0, "warning", told)


def test_a_campaign_that_is_submitted_by_another_spelling_of_its_path_continues(sending: Place, parts: Path) -> None:
    link = sending.folder / "latest"
    link.symlink_to(parts)

    first = sending.run(SUBMIT.format("lists/run=7/a.PARQUET --json")).object
    others = [parts / "a.PARQUET", "./lists/../lists/run=7/a.PARQUET", link / "a.PARQUET", "lists/run=7/*.PARQUET"]
    again = [sending.run(SUBMIT.format(f"'{other}' --json")) for other in others]

    assert first["submitted_now"]["accepted"] == 2
    assert [(ended.code, ended.err) for ended in again] == [(0, "")] * len(others)
    assert all(sum(ended.object["submitted_now"].values()) == 0 for ended in again)


def test_a_campaign_is_sent_from_an_address_and_continues_from_another(sending: Place, parts: Path) -> None:
    body = (parts / "a.PARQUET").read_bytes()
    with serving({"/list": answer(body), "/gone": answer(status=404)}) as web:
        address = f"'{web.replace('://', '://me:s3cr3t@')}/{{}}?sign=s3cr3t'"
        planned = sending.run(SUBMIT.format(f"{address.format('list')} --dry-run --json"))
        first = sending.run(SUBMIT.format(f"{address.format('list')} --json"))
        gone = sending.run(SUBMIT.format(address.format("gone")))
    again = sending.run(SUBMIT.format("lists/run=7/a.PARQUET --json"))

    assert (planned.code, planned.object["rows"], first.code) == (0, 2, 0)
    assert (first.object["submitted_now"]["accepted"], again.object["submitted_now"]["accepted"]) == (2, 0)
    gone.fails(10, f"{web}/gone: there is no such file")
    assert not [ended for ended in (planned, first, gone) if "s3cr3t" in ended.out + ended.err]
    assert not [name for name in sending.files() if "/.inputs/" in name]


def test_another_file_under_the_same_id_is_told_how_to_continue(sending: Place, parts: Path) -> None:
    sending.run(SUBMIT.format("lists/run=7/a.PARQUET"))

    other = sending.run(SUBMIT.format("lists/run=7"))

    other.fails(10, "another file or text", "'smsrecon resume c'", "for other people choose another campaign id")


def test_a_campaign_whose_columns_are_named_as_patterns_has_a_report(sending: Place) -> None:
    columns = {"*": ["A", "B"], "^p.*$": ["A", "B"], 'the "best"': ["A", "B"]}
    pl.DataFrame({"phone": ["13800000001", "13800000002"], **columns}).write_parquet(sending.folder / "star.parquet")

    commands = (SUBMIT.format("star.parquet"), "load", "reconcile", "publish", "report c --html c.html")
    ended = [sending.run(command) for command in commands]

    assert [each.code for each in ended] == [0] * len(commands)
    page = (sending.folder / "c.html").read_text()
    assert "the &quot;best&quot;" in page or 'the "best"' in page

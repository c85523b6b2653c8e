"""Data folders with odd names or on file systems that lack something: all commands work there, or nothing is sent."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.landing.data_folder import network_file_system
from pipelines.operations import doctor
from tests.support.places import CONTENT, Place

SUBMIT = f"submit people.parquet --campaign spring --content {CONTENT}"


@pytest.mark.parametrize("name", ["data [2026] st*r {a,b} [z-a]!", "-new\nline q'uo\"te; x=1 100%20 #1 $HOME ~ é名"])
def test_everything_works_in_a_data_folder_with_an_odd_name(sending: Place, name: str) -> None:
    where = {"SMSRECON_DATA_DIR": name}
    for command in (SUBMIT, "load", "reconcile", "publish", "report spring --html c.html", "rebuild"):
        ended = sending.run(command, **where)
        assert (ended.code, ended.err) == (0, ""), command

    assert sending.run("sql --json 'SELECT campaign_id, status FROM messages WHERE input_row = 0'", **where).object == {
        "rows": [{"campaign_id": "spring", "status": "accepted"}]
    }
    assert data_folder(sending, **where)["verdict"] == "ok"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wh?y", "has a ?"),
        ("back\\slash", "has a \\"),
        (os.fsdecode("数据".encode("gbk")), "is not UTF-8"),
        ("campaign_id=old/data", "takes for a column campaign_id"),
        ("Status=old", "takes for a column Status"),
        ("s3:/bucket", "begins as an address does"),
        ("sqlite:data", "begins as an address does"),
        ("~nobody-here/data", "begins as an address does"),
        ("/".join(["x" * 100] * 6), "is too long"),
        ("x" * 300, "is too long"),
    ],
)
def test_a_data_folder_that_duckdb_can_not_open_is_refused_before_anything_is_sent(
    sending: Place, name: str, words: str
) -> None:
    refused(sending, words, SMSRECON_DATA_DIR=name)
    for command in ("daily", "pull", "load", "suppress add 13800000001"):
        ended = sending.run(command, SMSRECON_DATA_DIR=name)
        assert (ended.code, ended.err.count("\n")) == (2, 1), command
        assert words in ended.err


@pytest.mark.parametrize("place_of_data", ["data", "new/data"])
def test_the_trials_leave_nothing(place: Place, place_of_data: str) -> None:
    (place.folder / "data").mkdir()
    before = sorted(place.folder.rglob("*"))

    data_folder(place, SMSRECON_DATA_DIR=place_of_data)

    assert sorted(place.folder.rglob("*")) == before


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("names", "replacement", "words"),
    [
        (["os.link"], failing(errno.EPERM), "without hard links;"),
        (["os.symlink", "pathlib.Path.symlink_to"], failing(errno.ENOTSUP), "without symbolic links;"),
        (["fcntl.flock"], failing(errno.ENOSYS), "without file locks;"),
        (["fcntl.lockf"], failing(errno.ENOLCK), "without file locks;"),
        (["fcntl.flock"], lambda *_: None, "without file locks;"),
        (["os.link", "fcntl.flock"], failing(errno.EPERM), "without hard links and file locks;"),
    ],
    ids=["no links", "no symlinks", "no flock", "no lockf", "locks that do nothing", "neither"],
)
def test_a_file_system_that_lacks_something_is_refused_before_anything_is_sent(
    sending: Place, monkeypatch: pytest.MonkeyPatch, names: list[str], replacement: Callable[..., Any], words: str
) -> None:
    for name in names:
        monkeypatch.setattr(name, replacement)

    refused(sending, words)


def refused(sending: Place, words: str, **variables: str) -> None:
    sending.run(f"{SUBMIT} --dry-run", **variables).fails(2, words, "data_dir")
    sending.run(SUBMIT, **variables).fails(2, words, "data_dir")
    finding = data_folder(sending, **variables)

    assert not list(Path(sending.folder).rglob("plan.parquet"))
    assert finding["verdict"] == "error"
    assert words in finding["detail"]


MOUNTS = """\
22 1 259:1 / / rw - ext4 /dev/root rw
40 22 0:40 / {folder}/shared\\040files rw,relatime shared:1 - nfs4 server:/export rw
41 40 0:41 / {folder}/shared\\040files/disk rw - xfs /dev/sdb rw
42 22 0:42 / {folder}/ssh rw master:2 - fuse.sshfs me@host: rw
"""


def test_a_data_folder_on_a_network_file_system_is_known(tmp_path: Path) -> None:
    mounts = MOUNTS.format(folder=tmp_path)

    kinds = [network_file_system(tmp_path / name, mounts) for name in (
        "data", "shared files/data", "shared files/disk/data", "ssh", "sshx"
    )]  # fmt: skip
    assert kinds == [None, "nfs4", None, "fuse.sshfs", None]


def test_doctor_warns_of_a_network_file_system(sending: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(sending.folder, "data").mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setattr(doctor, "network_file_system", lambda _: "nfs4")

    finding = data_folder(sending)

    assert (finding["verdict"], "is on nfs4, where the journal is not safe" in finding["detail"]) == ("warning", True)


def data_folder(place: Place, **variables: str) -> dict[str, str]:
    """The finding of `doctor` about the data folder."""
    findings: list[dict[str, str]] = place.run("doctor --json", **variables).object["findings"]
    (found,) = [finding for finding in findings if finding["name"] == "data folder"]
    return found

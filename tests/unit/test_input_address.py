"""Inputs at an address: read as local files are, refused with the reason, and shown without what may be secret."""

from collections.abc import Iterator
from contextlib import chdir
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path

import obstore
import polars as pl
import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import S3Store

from pipelines.campaign.fetched_input import local_copy
from pipelines.campaign.input_address import Address, input_source
from pipelines.campaign.input_files import input_files
from pipelines.campaign.recipients import read_recipients
from pipelines.errors import InputRefused
from tests.support.s3 import S3
from tests.support.web import Answer, answer, serving

SECRET = "s3cr3t"


def parquet(**columns: list[object]) -> bytes:
    body = BytesIO()
    pl.DataFrame(columns or {"phone": ["13800000001"]}).write_parquet(body)
    return body.getvalue()


def read(source: str, folder: Path, most_bytes: int = 2**20) -> pl.DataFrame:
    with local_copy(input_source(source), folder / ".inputs", most_bytes=most_bytes) as path:
        return read_recipients(input_files(path).files, content="【云】您好", template_id=None, max_content_length=500)


def refusal(source: str, folder: Path, most_bytes: int = 2**20) -> str:
    with pytest.raises(InputRefused) as refused:
        read(source, folder, most_bytes)
    assert SECRET not in str(refused.value)
    assert str(folder) not in str(refused.value)
    assert not [*folder.glob(".inputs/*")]
    return str(refused.value)


# Which addresses can be read


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("ftp://me:s3cr3t@host/list.parquet?s3cr3t", "an address such as ftp://… can't be read; give s3://BUCKET/…"),
        ("gs://bucket/list.parquet", "an address such as gs://…"),
        ("hdfs://host/list.parquet", "an address such as hdfs://…"),
        ("s3:/bucket/list.parquet", "an address such as s3://…"),
        ("file:///list.parquet", "give the path without file://"),
        ("s3://", "names no bucket"),
        ("s3://key:s3cr3t@bucket/list.parquet", "names no bucket"),
        ("https:///list.parquet?s3cr3t", "is not valid"),
        ("https://host:s3cr3t/list.parquet", "is not valid"),
        ("http://host/list.parquet?key=s3cr3t", "http://host/list.parquet: is not encrypted"),
    ],
)
def test_an_address_that_can_not_be_read_is_refused_with_what_to_give(source: str, words: str, tmp_path: Path) -> None:
    assert words in refusal(source, tmp_path)


def test_what_exists_here_by_that_name_is_a_path(tmp_path: Path) -> None:
    with chdir(tmp_path):
        Path("s3:").mkdir()
        Path("s3:/list.parquet").touch()

        assert input_source("s3://list.parquet") == Path("s3:/list.parquet")
    assert input_source("C:/list.parquet") == Path("C:/list.parquet")


PARTS = st.text(alphabet="abc/=&%@", max_size=5)


@given(PARTS.map(lambda text: text.replace("/", "").replace("@", "")), PARTS, PARTS)
def test_an_address_is_shown_without_user_password_query_and_fragment(user: str, query: str, fragment: str) -> None:
    address = input_source(f"https://{user}S:{user}S@host/list.parquet?{query}S#{fragment}S")

    assert isinstance(address, Address)
    assert str(address) == "https://host/list.parquet"
    assert "host" not in repr(address)
    assert address.has_secret_parts
    assert not Address("https://host/a@b.parquet").has_secret_parts


# From a web server


@pytest.fixture(scope="module")
def answers() -> dict[str, Answer]:
    return {}


@pytest.fixture(scope="module")
def web(answers: dict[str, Answer]) -> Iterator[str]:
    with serving(answers) as address:
        yield address


@pytest.fixture(autouse=True)
def two_attempts() -> Iterator[None]:
    with stamina.set_testing(True, attempts=2):
        yield


def test_a_file_of_a_web_server_is_read_and_no_copy_stays(web: str, answers: dict[str, Answer], tmp_path: Path) -> None:
    answers["/list"] = answer(parquet(phone=["13800000001", "13800000002"]))
    answers["/moved"] = answer(status=302, location=f"/list?{SECRET}")

    assert read(f"{web}/list?key={SECRET}", tmp_path)["phone"].to_list() == ["13800000001", "13800000002"]
    assert read(f"{web}/moved", tmp_path).height == 2
    assert not [*tmp_path.glob(".inputs/*")]


def cut_short(handler: BaseHTTPRequestHandler) -> None:
    answer(b"PAR1", content_length="100")(handler)
    handler.close_connection = True


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        try:
            handler.wfile.write(b"PAR1" * 2**16)
        except OSError:
            return


def redirect_to_itself(handler: BaseHTTPRequestHandler) -> None:
    answer(status=302, location=f"/x?{SECRET}")(handler)


@pytest.mark.parametrize(
    ("given_answer", "words"),
    [
        (answer(status=404), "there is no such file (HTTP status 404)"),
        (answer(status=403), "may not be read (HTTP status 403); if the address was signed, get a new one"),
        (answer(status=503), "can't be read now (HTTP status 503); try again later"),
        (answer(status=418), "can't be read (HTTP status 418)"),
        (answer(b"\n<!DOCTYPE html><p>Log in"), "the answer is a web page and not a file"),
        (answer(b"phone\n13800000001\n"), "can't be read: it is not Parquet; save it as Parquet"),
        (answer(parquet(telephone=["1"])), "has no column 'phone'"),
        (cut_short, "the answer broke off"),
        (endless, "is larger than 1 MB"),
        (redirect_to_itself, "leads from address to address"),
        (answer(status=302, location=f"http://host.invalid/{SECRET}"), "leads to an address that is not encrypted"),
        (answer(status=302, location=f"ftp://host.invalid/{SECRET}"), "leads to an address that is not encrypted"),
    ],
)
def test_an_answer_that_is_no_table_is_refused_by_its_address(
    given_answer: Answer, words: str, web: str, answers: dict[str, Answer], tmp_path: Path
) -> None:
    answers["/x"] = given_answer

    message = refusal(f"{web}/x?sign={SECRET}", tmp_path)

    assert message.startswith(f"{web}/x: ")
    assert words in message


def test_a_host_that_does_not_answer_is_named(tmp_path: Path) -> None:
    assert "its host can't be reached (ConnectError)" in refusal(f"http://127.0.0.1:1/x?{SECRET}", tmp_path)


# From a bucket


@pytest.fixture(scope="module")
def store(s3: S3) -> Iterator[S3Store]:
    import httpx  # noqa: PLC0415

    with s3.reached():
        httpx.put(
            f"{s3.address}/lists", headers={"Authorization": "AWS4-HMAC-SHA256 Credential=tests/x/us-east-1/s3/x"}
        )
        yield S3Store("lists")


def test_an_object_and_a_folder_of_a_bucket_are_read_as_local_ones(store: S3Store, tmp_path: Path) -> None:
    for name in ("a", "b"):
        store.put(f"run=7/variant={name}/部分 1.parquet", parquet(phone=[f"1380000000{ord(name) - 96}"]))
    store.put("run=7/people.csv", b"phone\n")
    store.put("run=7/_logs/x.parquet", parquet())
    store.put("run=7/variant=a/", b"")
    store.put("run=70/other.parquet", parquet())

    for source in ("s3://lists/run=7", "s3://lists/run=7/"):
        rows = read(source, tmp_path).unnest("owner")
        assert dict(rows.select("phone", "variant").iter_rows()) == {"13800000001": "a", "13800000002": "b"}
        with local_copy(input_source(source), tmp_path / ".inputs") as path:
            assert input_files(path).left_out == ("_logs", "people.csv")
    assert read("s3://lists/run=7/variant=a/部分 1.parquet", tmp_path)["phone"].to_list() == ["13800000001"]


def test_objects_that_can_not_be_read_are_refused_by_their_address(store: S3Store, tmp_path: Path) -> None:
    store.put("damaged/part.parquet", b"phone\n")
    store.put("large/part.parquet", parquet() + bytes(2**20))

    assert "s3://lists/nowhere: there is no such object or folder" in refusal("s3://lists/nowhere", tmp_path)
    assert "patterns are not read in a bucket" in refusal("s3://lists/*.parquet", tmp_path)
    assert "there is no such object, folder or bucket" in refusal("s3://no-such-bucket/a", tmp_path)
    assert "s3://lists/damaged/part.parquet: can't be read: it is not" in refusal("s3://lists/damaged", tmp_path)
    assert "s3://lists/large/: is larger than 1 MB" in refusal("s3://lists/large/", tmp_path)
    assert "name can't be that of a file" in refusal("s3://lists/../a", tmp_path)


@pytest.mark.parametrize("mark", ["_delta_log/0.json", "snapshot/LATEST", "metadata/v1.metadata.json", "_started_1"])
def test_objects_of_a_table_or_of_an_unfinished_job_are_refused_from_above_and_below(
    mark: str, store: S3Store, tmp_path: Path
) -> None:
    folder = f"of-{mark.replace('/', '-')}"
    store.put(f"{folder}/year=2026/part.parquet", parquet())
    store.put(f"{folder}/{mark}", b"")

    for source in ("", "/year=2026/", "/year=2026/part.parquet"):
        message = refusal(f"s3://lists/{folder}{source}", tmp_path)
        assert message.startswith(f"s3://lists/{folder}: "), message


def test_a_bucket_that_refuses_or_can_not_be_reached_is_told_apart(
    web: str, answers: dict[str, Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: S3Store
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", web)
    answers["/bucket"] = answer(status=403)
    assert "may not be read (HTTP status 403); check AWS_ACCESS_KEY_ID" in refusal("s3://bucket/", tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert "its host can't be reached; check AWS_ENDPOINT_URL" in refusal("s3://bucket/a", tmp_path)
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    assert "AWS_ENDPOINT_URL is not encrypted" in refusal("s3://bucket/a", tmp_path)


def test_an_object_that_changes_while_it_is_read_is_refused(
    store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("changing/part.parquet", parquet())
    get = obstore.get

    def get_and_change(self: S3Store, path: str, **options: object) -> object:
        found = get(self, path, **options)  # type: ignore[arg-type]
        store.put(path, parquet(phone=["13800000009"]))
        return found

    monkeypatch.setattr(S3Store, "get", get_and_change)
    assert "s3://lists/changing/: changed while it was read" in refusal("s3://lists/changing/", tmp_path)

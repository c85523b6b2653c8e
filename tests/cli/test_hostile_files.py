"""Malformed input files of every kind: a command names the file and the next step in one line, and leaves no files."""

import os
import resource
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.parquet import encryption

from pipelines.campaign import input_files
from pipelines.tabular import parquet
from tests.support.places import CONTENT, Ended, Place, ended

PHONE = "13800000001"
SUBMIT = f"submit {{}} --campaign c --content {CONTENT}"


def sound(columns: dict[str, Any] | None = None) -> bytes:
    file = BytesIO()
    pl.DataFrame(columns or {"phone": [PHONE, "13900000002"] * 500}).write_parquet(file)
    return file.getvalue()


def with_footer_length(length: int) -> bytes:
    return sound()[:-8] + length.to_bytes(4, "little") + b"PAR1"


def zipped(name: str) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, f"phone\n{PHONE}\n")
    return file.getvalue()


def excel() -> bytes:
    file = BytesIO()
    pl.DataFrame({"phone": [PHONE]}).write_excel(file)
    return file.getvalue()


def arrow(table: pa.Table, **options: Any) -> bytes:
    file = BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def named(*names: str) -> bytes:
    return arrow(pa.Table.from_arrays([pa.array([PHONE])] * len(names), names=list(names)))


class _Keys(encryption.KmsClient):
    def wrap_key(self, key: bytes, _: str) -> bytes:
        return key.hex().encode()

    def unwrap_key(self, key: bytes, _: str) -> bytes:
        return bytes.fromhex(key.decode())


def encrypted(*, is_footer_plain: bool) -> bytes:
    file = BytesIO()
    table = pa.table({"phone": [PHONE]})
    keys = encryption.CryptoFactory(lambda _: _Keys())
    config = encryption.EncryptionConfiguration(
        footer_key="f", column_keys={"c": ["phone"]}, plaintext_footer=is_footer_plain
    )
    properties = keys.file_encryption_properties(encryption.KmsConnectionConfig(), config)
    with pq.ParquetWriter(file, table.schema, encryption_properties=properties) as writer:
        writer.write_table(table)
    return file.getvalue()


# The file, and words that the error must contain besides its name.
FILES: dict[str, tuple[Callable[[], bytes], list[str]]] = {
    "zero_bytes": (lambda: b"", ["empty"]),
    "cut_in_the_middle": (lambda: sound()[:500], ["cut short", "again"]),
    "cut_at_the_end": (lambda: sound()[:-3], ["cut short"]),
    "magic_alone": (lambda: b"PAR1", ["cut short"]),
    "magic_twice": (lambda: b"PAR1PAR1", ["cut short"]),
    "a_footer_too_long": (lambda: with_footer_length(2**31 - 1), ["damaged"]),
    "a_footer_too_short": (lambda: with_footer_length(3), ["damaged"]),
    "a_footer_of_nothing": (lambda: with_footer_length(0), ["damaged"]),
    "broken_pages": (lambda: sound()[:4] + b"\xff" * 300 + sound()[304:], ["damaged"]),
    "encrypted": (lambda: encrypted(is_footer_plain=False), ["encrypted"]),
    "encrypted_pages": (lambda: encrypted(is_footer_plain=True), ["encrypted"]),
    "csv": (f"phone\n{PHONE}\n".encode, ["not Parquet"]),
    "numbers_only": (lambda: PHONE.encode() * 9, ["not Parquet"]),
    "zip": (lambda: zipped("people.csv"), ["ZIP"]),
    "excel": (excel, ["Excel"]),
    "no_columns": (lambda: arrow(pa.table({})), ["'phone'"]),
    "no_rows": (lambda: arrow(pa.table({"phone": pa.array([], pa.string())})), ["no rows", "give"]),
    "the_same_name_twice": (lambda: named("phone", "phone"), ["same name", "rename"]),
    "an_own_name_twice": (lambda: named("phone", "city", "city"), ["same name", "rename"]),
    "another_case": (lambda: named("Phone"), ["'Phone'", "rename"]),
    "two_cases": (lambda: named("phone", "PHONE"), ["'PHONE'", "rename"]),
    "blanks_in_the_name": (lambda: named(" phone "), ["' phone '", "rename"]),
    "a_headerless_csv_saved_as_parquet": (lambda: named(PHONE, "13900000002"), ["'phone'", "2 columns"]),
    "many_columns": (
        lambda: named("phone", *map(str, range(parquet.MAX_COLUMNS))),
        [f"{parquet.MAX_COLUMNS + 1} columns", "leave out"],
    ),
    "nulls": (lambda: arrow(pa.table({"phone": [None, None]})), ["2 phone_missing", "correct"]),
    "huge_phones": (lambda: sound({"phone": ["1" * 10_000_000]}), ["phone_malformed"]),
    "phones_with_nul": (lambda: sound({"phone": ["1380000\x000001"]}), ["phone_malformed"]),
    "a_decimal_too_long": (
        lambda: arrow(pa.table({"phone": pa.array([Decimal("1" * 60)], pa.decimal256(70))})),
        ["unknown type"],
    ),
}
TYPES: dict[str, pa.Array] = {
    "boolean": pa.array([True]),
    "date": pa.array([date(2026, 1, 1)]),
    "instant": pa.array([datetime(2026, 1, 1, tzinfo=UTC)]),
    "time": pa.array([time(1)]),
    "duration": pa.array([timedelta(1)]),
    "binary": pa.array([PHONE.encode()]),
    "fixed_binary": pa.array([PHONE.encode()], pa.binary(11)),
    "list": pa.array([[PHONE]]),
    "fixed_list": pa.array([[1, 2]], pa.list_(pa.int64(), 2)),
    "struct": pa.array([{"number": PHONE}]),
    "map": pa.array([[(PHONE, 1)]], pa.map_(pa.string(), pa.int64())),
    "deep": pa.array([[[{"numbers": [PHONE]}]]]),
}
NUMBERS: dict[str, pa.Array] = {
    "halves": pa.array([13800000001.5]),
    "nan_and_infinity": pa.array([float("nan"), float("inf")]),
    "negative": pa.array([-1380000000]),
    "beyond_int64": pa.array([2**64 - 1], pa.uint64()),
    "a_decimal_with_a_fraction": pa.array([Decimal("13800000001.50")]),
}


def refused(place: Place, command: str, code: int, words: list[str]) -> Ended:
    """Run a command that must fail in one line, without personal data, and leave the folder unchanged."""
    before = place.files()
    ended = place.run(command)
    ended.fails(code, *words)
    assert not ended.out
    assert PHONE not in ended.err
    assert "Traceback" not in ended.err
    left = {file for file in place.files() - before if not file.endswith("/lock")}
    assert not left
    return ended


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_can_not_be_sent_is_one_line_that_names_it(name: str, place: Place) -> None:
    make, words = FILES[name]
    (place.folder / "it.parquet").write_bytes(make())

    for options in ("", " --dry-run"):
        refused(place, SUBMIT.format("it.parquet") + options, 10, ["it.parquet", *words])


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_can_not_be_imported_is_one_line_that_names_it(name: str, place: Place) -> None:
    make, _ = FILES[name]
    (place.folder / "it.parquet").write_bytes(make())

    refused(place, "import-reports it.parquet --yes", 10, ["it.parquet"])


@pytest.mark.parametrize("column", ["phone", "content", "mission_num", "extra_num", "template_id"])
@pytest.mark.parametrize("name", TYPES)
def test_a_column_of_a_wrong_type_is_named(name: str, column: str, place: Place) -> None:
    table = {"phone": pa.array([PHONE]), "content": pa.array(["【公司】您好"])} | {column: TYPES[name]}
    (place.folder / "it.parquet").write_bytes(arrow(pa.table(table)))

    refused(place, "submit it.parquet --campaign c", 10, ["it.parquet", f"'{column}'", "write it as text"])


@pytest.mark.parametrize("name", TYPES)
def test_another_column_of_any_type_does_not_stop_an_import(name: str, place: Place) -> None:
    report = {"phone": [PHONE], "code": ["DELIVRD"], "stat_time": ["2026-11-20 12:00:00"]}
    (place.folder / "it.parquet").write_bytes(arrow(pa.table(report | {"other": TYPES[name]})))

    assert place.run("import-reports it.parquet --yes --json").object["accepted_count"] == 1


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_that_are_not_phones_are_counted_by_reason(name: str, place: Place) -> None:
    (place.folder / "it.parquet").write_bytes(arrow(pa.table({"phone": NUMBERS[name]})))

    refused(place, SUBMIT.format("it.parquet"), 10, ["it.parquet", "phone_malformed"])


@pytest.mark.parametrize(
    "phones",
    [
        pa.array([PHONE, PHONE, None]).dictionary_encode(),
        pa.array([int(PHONE), int(PHONE), None]).dictionary_encode(),
        pa.array([Decimal(PHONE), Decimal(PHONE), None]),
        pa.array([float(PHONE), float(PHONE), float("nan")]),
    ],
    ids=["categories", "categories of numbers", "decimals", "floats"],
)
def test_phones_in_unusual_but_clear_notations_are_accepted(phones: pa.Array, place: Place) -> None:
    (place.folder / "it.parquet").write_bytes(arrow(pa.table({"phone": phones})))

    ended = place.run(SUBMIT.format("it.parquet") + " --dry-run --json")

    assert ended.object["dispositions"] == {"invalid": 1, "duplicate": 1, "suppressed": 0, "planned": 1}


# ── Paths ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nothing-there.parquet", ["no Parquet file"]),
        ("no-match-*.parquet", ["no Parquet file", "glob"]),
        ("'[z-a]'", ["[z-a]"]),
        ("empty-folder", ["no Parquet file"]),
        ("folder-of-csv", ["no Parquet file"]),
        ("itself.parquet", ["no Parquet file"]),
        ("dangling.parquet", ["no Parquet file"]),
        ("pipe.parquet", ["no Parquet file"]),
        ("people.parquet/inside.parquet", ["no Parquet file"]),
        ("n" * 300 + ".parquet", ["too long"]),
        ("/dev/null", ["no Parquet file"]),
        ("other-columns", ["other-columns/b.parquet", "city"]),
        ("other-types", ["other-types/b.parquet", "age"]),
    ],
)
def test_a_path_without_a_file_is_one_line(path: str, words: list[str], place: Place) -> None:
    folder = place.folder
    for name in ("empty-folder", "folder-of-csv", "other-columns", "other-types"):
        (folder / name).mkdir()
    (folder / "folder-of-csv" / "a.csv").write_text("phone\n")
    (folder / "other-columns" / "a.parquet").write_bytes(named("phone"))
    (folder / "other-columns" / "b.parquet").write_bytes(named("phone", "city"))
    (folder / "other-types" / "a.parquet").write_bytes(arrow(pa.table({"phone": [PHONE], "age": [date(2026, 1, 1)]})))
    (folder / "other-types" / "b.parquet").write_bytes(arrow(pa.table({"phone": [PHONE], "age": [[1]]})))
    (folder / "itself.parquet").symlink_to("itself.parquet")
    (folder / "dangling.parquet").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.parquet")

    refused(place, SUBMIT.format(path), 10, words)


def test_circular_links_are_followed_once(place: Place) -> None:
    folder = place.folder / "parts"
    folder.mkdir()
    (folder / "a.parquet").write_bytes(named("phone"))
    (folder / "again").symlink_to(".")

    assert place.run(SUBMIT.format("parts") + " --dry-run --json").object["rows"] == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_one_line(place: Place) -> None:
    (place.folder / "people.parquet").chmod(0)

    refused(place, SUBMIT.format("people.parquet"), 10, ["people.parquet", "Permission denied"])


# ── While it is read ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("now", [named("phone"), sound()[:500], b""], ids=["another", "cut", "emptied"])
def test_a_file_that_changes_while_it_is_read_is_not_planned(
    now: bytes, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.folder / "it.parquet"
    path.write_bytes(sound())
    told_apart = input_files.input_sha256s

    def change_afterwards(*args: Any, **options: Any) -> list[str]:
        hashes = told_apart(*args, **options)
        path.write_bytes(now)
        return hashes

    monkeypatch.setattr("pipelines.campaign.plan.input_sha256s", change_afterwards)

    refused(place, SUBMIT.format("it.parquet"), 10, ["it.parquet"])


def test_a_text_of_100_mb_is_one_invalid_row_and_takes_bounded_memory(place: Place) -> None:
    texts = ["【公司】您好", "【公司】" + "x" * 100_000_000]
    (place.folder / "it.parquet").write_bytes(sound({"phone": [PHONE, "13900000002"], "content": texts}))
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss

    planned = ended(place.start("submit it.parquet --campaign c --dry-run --json"))

    assert planned.object["reasons"] == [{"disposition": "invalid", "reason": "content_too_long", "row_count": 1}]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert peak == before or peak < 2 * 2**20  # KiB

"""The files of an input: found by their first bytes, refused if they are a table's, the same however spelled."""

import gzip
import hashlib
import os
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.campaign.input_files import InputFile, InputFiles, input_files, input_sha256s
from pipelines.campaign.recipients import read_recipients
from pipelines.errors import InputRefused

TEXT = "【云锋】您的订单已发货"


def write(path: Path, **columns: Sequence[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(columns or {"phone": ["13800000001"]}).write_parquet(path)
    return path


def read(source: Path) -> pl.DataFrame:
    return read_recipients(input_files(source).files, content=TEXT, template_id=None, max_content_length=500)


def hashed(found: InputFiles, content: str | None = TEXT, template_id: str | None = None) -> str:
    return input_sha256s(found, content=content, template_id=template_id)[0]


def refusal(source: Path) -> str:
    with pytest.raises(InputRefused) as refused:
        input_files(source)
    assert "\n" not in str(refused.value)
    return str(refused.value)


# What is found


def test_files_of_a_folder_and_of_a_glob_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name, phone in (("b", "13800000002"), ("a", "13800000001"), ("deep/c", "13800000003")):
        write(tmp_path / f"in/{name}.parquet", phone=[phone])

    for source in ("in", "in/**/*.parquet"):
        assert read(tmp_path / source)["phone"].to_list() == ["13800000001", "13800000002", "13800000003"]


def test_hidden_files_are_left_out_and_named_if_they_hold_rows(tmp_path: Path) -> None:
    part = write(tmp_path / "in.parquet/part-0.parquet")
    for name in ("_logs/0.parquet", ".hidden.parquet", ".spark/2026/part-0", "_metadata", "sub/_common_metadata"):
        write(tmp_path / "in.parquet" / name, other=[1])
    for name in ("_SUCCESS", ".a.parquet.crc", "_committed_1", ".git/config"):
        (tmp_path / "in.parquet" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in.parquet" / name).write_text("{}")

    found = input_files(tmp_path / "in.parquet")

    assert (found.paths, found.left_out) == ((part,), (".hidden.parquet", ".spark", "_logs"))


@pytest.mark.parametrize(
    "name",
    [".part-0-1.inprogress.0a1b", "b.parquet.tmp", "B.Parquet.crdownload", "sub/c.parquet.filepart", "_d.pq.tmp"],
)
def test_a_file_that_is_being_written_by_its_name_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path / "a.parquet")
    write(tmp_path / name)

    assert f"has a file {Path(name).name}, which is being written" in refusal(tmp_path)
    (tmp_path / name).unlink()
    for other in ("notes.tmp", "a.tmp.csv", "b.part.parquet"):
        (tmp_path / other).write_text("{}")
    assert input_files(tmp_path / "a.parquet").paths == input_files(tmp_path / "a*").paths[:1]
    assert len(input_files(tmp_path).paths) == 2


def test_output_of_databricks_is_refused_until_it_is_committed(tmp_path: Path) -> None:
    write(tmp_path / "part-0.parquet")
    for name in ("_started_12", "_committed_12", "_started_34"):
        (tmp_path / name).touch()

    assert "a job of Databricks has not ended" in refusal(tmp_path)
    (tmp_path / "_committed_34").touch()
    assert len(input_files(tmp_path).paths) == 1


NAMES = ["a.parquet", "b.PARQUET", "c.parq", "d.pq", "e.parquet.snappy", "20240701_144951_00037_v74wa", "f.parquet.gz"]


def test_a_parquet_file_is_known_by_its_first_bytes_and_what_is_left_out_is_named(tmp_path: Path) -> None:
    for name in NAMES:
        write(tmp_path / "in" / name)
    (tmp_path / "in/people.csv").write_text("phone\n13800000001\n")
    (tmp_path / "in/zipped.parquet.gz").write_bytes(gzip.compress((tmp_path / "in/a.parquet").read_bytes()))
    (tmp_path / "in/lists").symlink_to(tmp_path)
    (tmp_path / "in/gone").symlink_to("nowhere")
    os.mkfifo(tmp_path / "in/pipe")

    found = input_files(tmp_path / "in")

    assert [path.name for path in found.paths] == sorted(NAMES)
    assert found.left_out == ("gone", "lists", "people.csv", "pipe", "zipped.parquet.gz")
    assert found.left_out_in_words() == "5: gone, lists, people.csv, pipe, zipped.parquet.gz"


def test_many_files_that_are_left_out_are_counted_and_names_that_are_phones_or_no_text_are_not_shown(
    tmp_path: Path,
) -> None:
    write(tmp_path / "a.parquet")
    for name in ("13812345678.csv", os.fsdecode("名单.txt".encode("gbk")), *(f"x{number}" for number in range(8))):
        (tmp_path / name).touch()

    found = input_files(tmp_path)

    assert found.left_out_in_words() == "10: 138****5678.csv, x0, x1, x2, x3 and 5 more"
    assert found.left_out[-1].isprintable()


@pytest.mark.parametrize("name", ["a.parquet", "b.PARQ"])
def test_a_damaged_file_that_is_named_as_parquet_is_not_left_out(tmp_path: Path, name: str) -> None:
    write(tmp_path / "0.parquet")
    (tmp_path / name).write_bytes(b"phone\n")

    with pytest.raises(InputRefused, match=f"{name}: can't be read: it is not Parquet"):
        read(tmp_path)


def test_a_folder_that_a_glob_matches_is_named_unless_files_in_it_match_too(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet")
    write(tmp_path / "sub/b.parquet")

    assert input_files(tmp_path / "*").left_out == ("sub",)
    assert input_files(tmp_path / "**").left_out == ()


@pytest.mark.parametrize("source", ["nothing.parquet", "*.parquet", ".", "bad[.parquet"])
def test_a_path_without_a_parquet_file_is_refused(tmp_path: Path, source: str) -> None:
    assert "no Parquet file there; give" in refusal(tmp_path / source)


def test_the_files_that_are_not_parquet_are_named_if_there_is_no_other(tmp_path: Path) -> None:
    (tmp_path / "people.csv").touch()

    assert "no Parquet file there (left out: 1: people.csv); give" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["list[1].parquet", "a*b/list.parquet", "data [2026]/list.parquet", "[z-a]/list?.pq"])
def test_a_path_that_looks_like_a_glob_is_that_file_or_that_folder(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name)

    assert input_files(path).paths == (path,)
    assert input_files(path.parent).paths == (path,)
    assert input_files(path.parent / "*").paths == (path,)


# Folders that are more than their files

MARKS = {
    "_delta_log/00000000000000000000.json": "a Delta table",
    ".hoodie/hoodie.properties": "a Hudi table",
    ".hoodie_partition_metadata": "a Hudi table",
    "metadata/v1.metadata.json": "an Iceberg table",
    "metadata/00001-ab.gz.metadata.json": "an Iceberg table",
    "snapshot/LATEST": "a Paimon table",
    "metadata/version-hint.text": "an Iceberg table",
    "manifest/manifest-list-0a1b-0": "a Paimon table",
    "ducklake-0a1b.parquet": "a DuckLake table",
    "_spark_metadata/0": "the output of a Spark stream",
    "_temporary/0/task/part-1.parquet": "a folder _temporary",
    "__magic_job-1/part-1.parquet": "a folder __magic_job-1",
    ".spark-staging-1/part-1.parquet": "a folder .spark-staging-1",
}
SOURCES = (".", "..", "year=2026", "year=2026/a.parquet", "year=2026/*.parquet", "../**/*.parquet", "/link.pq")


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("mark", MARKS)
def test_files_of_a_table_or_of_a_job_that_has_not_ended_are_refused_from_above_and_below(
    tmp_path: Path, mark: str, source: str
) -> None:
    folder = tmp_path / "above" / "table"
    part = write(folder / "year=2026/a.parquet")
    (folder / mark).parent.mkdir(parents=True, exist_ok=True)
    (folder / mark).touch()
    (tmp_path / "link.pq").symlink_to(part)

    message = refusal(tmp_path / "link.pq" if source == "/link.pq" else folder / source)

    assert message.startswith(f"{folder.resolve()}: ")
    assert MARKS[mark] in message


@pytest.mark.parametrize("name", ["metadata/readme.json", "snapshot/snapshot-1.parquet", "delta_log/0.json"])
def test_folders_with_like_names_are_no_tables(tmp_path: Path, name: str) -> None:
    write(tmp_path / "a.parquet")
    write(tmp_path / name)

    assert input_files(tmp_path).files


# Partitions


@pytest.mark.parametrize("write_partition_columns", [False, True])
def test_partitions_of_a_folder_become_columns_of_the_owner(tmp_path: Path, write_partition_columns: bool) -> None:
    with duckdb.connect() as connection:
        connection.sql(
            f"COPY (SELECT unnest(['13800000001', '13800000002', '13800000003']) AS phone,"
            f" unnest(['A', 'B c/d', NULL]) AS variant) TO '{tmp_path / 'in'}'"
            f" (FORMAT parquet, PARTITION_BY variant, WRITE_PARTITION_COLUMNS {write_partition_columns})"
        )

    for source in ("in", "in/variant=*/*"):
        rows = read(tmp_path / source).unnest("owner")
        found = dict(rows.select("phone", "variant").iter_rows())
        assert found == {"13800000001": "A", "13800000002": "B c/d", "13800000003": None}


def test_a_partition_can_be_a_column_that_planning_uses(tmp_path: Path) -> None:
    write(tmp_path / "extra_num=07/part.parquet")

    assert read(tmp_path)["extra_num"].to_list() == ["07"]


@pytest.mark.parametrize("source", ["day=1", "day=1/part.parquet", "day=1/*.parquet"])
def test_folders_that_were_given_are_no_partitions(tmp_path: Path, source: str) -> None:
    write(tmp_path / "run=7/day=1/part.parquet")

    assert "owner" not in read(tmp_path / "run=7" / source).columns


# The hash that binds a campaign to its input


def test_the_hash_changes_with_bytes_text_template_and_partition_and_not_with_the_name(tmp_path: Path) -> None:
    one = write(tmp_path / "1.parquet", phone=["13800000001"])
    same = write(tmp_path / "2.parquet", phone=["13800000001"])
    other = write(tmp_path / "3.parquet", phone=["13800000002"])

    def of(*files: Path, variant: str | None = None) -> InputFiles:
        partitions = {} if variant is None else {"variant": variant}
        return InputFiles(tmp_path, tuple(InputFile(file, partitions) for file in files))

    different = [
        hashed(of(one)),
        hashed(of(other)),
        hashed(of(one, variant="A")),
        hashed(of(one, other)),
        hashed(of(other, one)),
        hashed(of(one), content=TEXT + "。"),
        hashed(of(one), content=None, template_id=TEXT),
    ]
    assert hashed(of(one)) == hashed(of(same))
    assert len(set(different)) == len(different)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    gone = InputFiles(tmp_path, (InputFile(tmp_path / "gone.parquet", {}),))

    with pytest.raises(InputRefused, match=r"gone\.parquet: can't be read \(No such file or directory\)"):
        hashed(gone)


FOLDERS = st.lists(st.sampled_from(["a", "run=7", "v=A", "b [1]", "x*"]), min_size=1, max_size=4)


@given(FOLDERS, st.data())
def test_the_same_files_are_the_same_input_however_their_path_is_spelled(
    tmp_path_factory: pytest.TempPathFactory, folders: list[str], data: st.DataObject
) -> None:
    top = tmp_path_factory.mktemp("top")
    part = write(top.joinpath(*folders, "day=1", "part.parquet"))
    given_path = data.draw(st.sampled_from([part, *part.parents[: len(folders) + 1]]))
    stand = data.draw(st.sampled_from([top, *part.parents[: len(folders) + 1]]))
    (top / "link").symlink_to(given_path)
    detours = [os.path.relpath(given_path, stand), f"{given_path}/../{given_path.name}", str(given_path), top / "link"]
    detours.append(os.path.join(".", os.path.relpath(given_path, stand)))  # noqa: PTH118  Path would drop the dot
    if given_path == part:
        detours = [detour for detour in detours if "/../" not in str(detour) or detour == detours[0]]

    with chdir(stand):
        spellings = [input_files(Path(detour)) for detour in detours]

        assert len({hashed(found) for found in spellings}) == 1
        assert len({repr([dict(file.partitions) for file in found.files]) for found in spellings}) == 1


@pytest.mark.parametrize("spelled", ["run=7/day=1/part.parquet", "day=1", "part.parquet", "{absolute}"])
def test_an_input_is_known_by_the_hash_of_earlier_versions_which_saw_partitions_in_the_whole_path(
    tmp_path: Path, spelled: str
) -> None:
    part = write(tmp_path / "run=7/day=1/part.parquet")
    seen = {"run=7/day=1/part.parquet": {"run": "7", "day": "1"}, "day=1": {"day": "1"}, "part.parquet": {}}
    columns = seen.get(spelled, {"run": "7", "day": "1"})
    earlier = hashlib.sha256(repr((TEXT, None)).encode())
    earlier.update(hashlib.sha256(part.read_bytes()).digest())
    earlier.update(repr(columns).encode())

    with chdir(part.parent):
        assert earlier.hexdigest() in input_sha256s(input_files(Path("part.parquet")), content=TEXT, template_id=None)

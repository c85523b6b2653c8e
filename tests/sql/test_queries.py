"""`smsrecon sql` answers questions about the published copy, and neither reads nor writes any other file."""

import shutil
from pathlib import Path

import duckdb
import pytest

from pipelines.console.query import ask
from pipelines.errors import UsageError
from pipelines.settings import Settings

# {inside} is the published folder, and {outside} one beside it that holds secret.csv, secret.txt and other.db.
WRITING = (
    "COPY messages TO '{outside}/new.csv'",
    "WITH x AS (COPY (SELECT 1) TO '{outside}/new.csv') FROM x",
    "WITH x AS MATERIALIZED (COPY (SELECT 1) TO '{outside}/new.parquet') SELECT * FROM x",
    "WITH 话 AS (SELECT '七七四九'), x AS (/**/cOpY\n(SELECT 1) TO '{inside}/new.csv') FROM x",
    "WITH x AS (COPY (SELECT 1) TO '{inside}/analytics.duckdb') FROM x",
    "FROM query('WITH x AS (COPY (SELECT 1) TO ''{inside}/new.csv'') FROM x')",
    "EXPORT DATABASE '{outside}/new'",
    "ATTACH '{outside}/new.db'",
    "WITH x AS (INSERT INTO marts.exceptions FROM marts.exceptions RETURNING *) FROM x",
    "WITH x AS (DELETE FROM marts.exceptions RETURNING *) FROM x",
    "PRAGMA enable_profiling; SET profiling_output = '{outside}/new.json'",
    "SET enable_external_access = true",
    "INSTALL httpfs",
)
READING = (
    "FROM read_text('{outside}/secret.txt')",
    "FROM read_blob('{outside}/secret.txt')",
    "FROM read_csv('{outside}/secret.csv')",
    "FROM '{outside}/secret.csv'",
    "FROM sniff_csv('{outside}/secret.csv')",
    "FROM read_text('{inside}/../secret.txt')",
    "FROM glob('{outside}/*')",
    "SELECT (SELECT content FROM read_text('{outside}/secret.txt'))",
    "FROM query('FROM read_text(''{outside}/secret.txt'')')",
    "FROM query_table('{outside}/secret.csv')",
    "DESCRIBE FROM '{outside}/secret.csv'",
    "SUMMARIZE FROM read_csv('{outside}/secret.csv')",
    "PIVOT read_csv('{outside}/secret.csv') ON a",
    "ATTACH '{outside}/other.db'",
    "FROM read_text('/proc/self/environ')",
)


@pytest.fixture
def outside(data_dir: Path) -> Path:
    folder = data_dir / "outside"
    folder.mkdir(exist_ok=True)
    (folder / "secret.txt").write_text("a secret")
    (folder / "secret.csv").write_text("a,b\n1,2\n")
    with duckdb.connect(folder / "other.db"):
        pass
    return folder


@pytest.mark.parametrize("query", [*WRITING, *READING])
def test_a_query_neither_writes_nor_reads_another_file(query: str, data_dir: Path, outside: Path) -> None:
    inside = data_dir / "published"
    before = {path: path.stat().st_mtime_ns for path in data_dir.rglob("*")}

    with pytest.raises(UsageError) as refused:
        ask(Settings(data_dir=data_dir), query.format(inside=inside.resolve(), outside=outside))

    assert {path: path.stat().st_mtime_ns for path in data_dir.rglob("*")} == before
    assert "a secret" not in str(refused.value)


@pytest.mark.parametrize(
    "query",
    [
        "FROM messages LIMIT 1",
        "FROM replies LIMIT 0",
        "FROM delivery_by('variant') LIMIT 1",
        "PIVOT (SELECT status, campaign_id FROM messages) ON status",
        "DESCRIBE messages",
        "SUMMARIZE marts.exceptions",
        "SELECT 'copy' AS \"copy\"  -- copy",
        "SHOW TABLES",
    ],
)
def test_a_question_about_the_published_copy_is_answered(query: str, data_dir: Path) -> None:
    assert ask(Settings(data_dir=data_dir), query).width


def test_a_copied_data_folder_is_to_be_published_again(data_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(data_dir, tmp_path / "copy", symlinks=True)

    with pytest.raises(UsageError, match="moved or copied, make its views again with 'smsrecon publish'"):
        ask(Settings(data_dir=tmp_path / "copy"), "FROM messages")


def test_functions_are_listed_and_their_errors_are_told(data_dir: Path) -> None:
    settings = Settings(data_dir=data_dir)

    assert ask(settings, "SELECT value FROM delivery_by('variant', campaign := 'autumn')").height == 2
    assert "compare_campaigns(a, b)" in ask(settings, None)["table"].to_list()
    with pytest.raises(UsageError, match="there is no campaign 'sprung'"):
        ask(settings, "FROM compare_campaigns('spring', 'sprung')")

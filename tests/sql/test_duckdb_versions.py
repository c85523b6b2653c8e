"""The published copy in every DuckDB that the pages promise: views and functions answer as in our own version.

Other versions are installed from the package index, so this is for the deep lane.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.contracts import table_of
from pipelines.contracts.marts import MARTS
from pipelines.contracts.published import FUNCTIONS, PUBLISHED

VERSIONS = ("1.1.3", "1.2.2", "1.3.2", "1.4.0", "1.4.1", "1.4.4", "1.5.5", "2.0.0", "2.0.1")

QUERIES = {
    "wilson_low": "SELECT wilson_low(930, 1000), wilson_low(0, 0)",
    "wilson_high": "SELECT wilson_high(930, 1000), wilson_high(0, 0)",
    "is_accepted": "SELECT status, is_accepted(status) FROM messages GROUP BY ALL",
    "status_counts": "SELECT unnest(status_counts(status, 1, segment_count)) FROM messages GROUP BY campaign_id",
    "delivery_rates": "SELECT unnest(delivery_rates(930, 950, 1000))",
    "delivery_by": "FROM delivery_by('variant')",
    "delivery_by a campaign": "FROM delivery_by('tier', campaign := 'spring')",
    "compare_rates": "FROM compare_rates(930, 1000, 951, 1000)",
    "compare_deliveries": "FROM compare_deliveries('a', 'b', 930, 950, 1000, 951, 960, 1000, TRUE)",
    "compare_campaigns": "FROM compare_campaigns('spring', 'autumn')",
    "compare_variants": "FROM compare_variants('spring', 'variant', 'A', 'B')",
} | {table_of(contract): f"FROM {table_of(contract)}" for contract in (*MARTS, *PUBLISHED)}

# Runs in an interpreter of its own, which finds the other version first; all values as text, in no order.
ASK = """
import duckdb, json, sys
path, queries = sys.argv[1], json.loads(sys.argv[2])
with duckdb.connect(path, read_only=True) as connection:
    connection.execute("SET TimeZone = 'Asia/Shanghai'")
    answers = {}
    for name, query in queries.items():
        connection.execute(f"SELECT COLUMNS(*)::VARCHAR FROM ({query})")
        answers[name] = sorted(connection.fetchall(), key=repr)
print(json.dumps({"version": duckdb.__version__, "answers": answers}))
"""


def test_every_function_is_asked() -> None:
    assert {name.split()[0] for name in QUERIES} >= FUNCTIONS.keys()


@pytest.mark.deep
@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", VERSIONS)
def test_views_and_functions_answer_the_same_in_every_promised_version(
    data_dir: Path, tmp_path: Path, version: str
) -> None:
    path = data_dir / "published" / "analytics.duckdb"
    uv = Path(sys.executable).with_name("uv")
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", tmp_path, f"duckdb=={version}"],
        check=True,
    )

    theirs = _answers(path, {"PYTHONPATH": str(tmp_path)})
    ours = _answers(path, {})

    assert (theirs["version"], ours["version"]) == (version, duckdb.__version__)
    for name in QUERIES:
        assert theirs["answers"][name] == ours["answers"][name], name


def _answers(path: Path, environment: dict[str, str]) -> dict[str, Any]:
    asked = subprocess.run(
        [sys.executable, "-c", ASK, path, json.dumps(QUERIES)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    answers: dict[str, Any] = json.loads(asked.stdout)
    return answers

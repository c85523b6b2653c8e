"""Each notebook runs from end to end on what is published, and changes nothing of it."""

import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from tests.support.depth import cases
from tests.support.history import Place

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
ARGUMENTS: list[list[str]] = [["--language", "zh", "--campaign", "week-2", "--days", "x"], []]


@pytest.mark.parametrize(
    ("notebook", "arguments"),
    # the fast lane takes each notebook and each list of arguments once
    cases(fast=[*zip(NOTEBOOKS, ARGUMENTS, strict=True)], deep=[*product(NOTEBOOKS, ARGUMENTS)]),
    ids=lambda of: of.stem if isinstance(of, Path) else len(of),
)
def test_a_notebook_runs_and_changes_nothing(
    notebook: Path, arguments: list[str], place: Place, tmp_path: Path
) -> None:
    before = place.bytes_of_published()

    ran = _run(notebook, "--data-dir", str(place.data_dir), *arguments, folder=tmp_path)

    assert ran.returncode == 0, ran.stderr
    assert place.bytes_of_published() == before
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_fails_where_nothing_is_published(notebook: Path, tmp_path: Path) -> None:
    ran = _run(notebook, "--data-dir", "nowhere", folder=tmp_path)

    assert ran.returncode != 0
    assert "smsrecon publish" in ran.stderr


def test_the_notebooks_are_in_the_form_that_their_editor_keeps(tmp_path: Path) -> None:
    marimo = str(Path(sys.executable).with_name("marimo"))

    checked = _command(marimo, "check", "--strict", *map(str, NOTEBOOKS), folder=tmp_path)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def _run(notebook: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return _command(sys.executable, "-W", "error", str(notebook), *arguments, folder=folder)


def _command(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

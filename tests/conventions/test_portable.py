"""The repository speaks of itself alone: no file of it knows the machine or the package index it was made with."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Each in two pieces, so that this file doesn't hold what it looks for.
FORBIDDEN = {
    "a folder of somebody's machine": r"(?<![\w.~}])/(?:work|ro" r"ot|home|Users|tm" r"p|private|mnt)/[\w.]",
    "a home folder on Windows": r"[A-Z]:\\" r"Users\\",
    "a package index": r"(?:--(?:extra-)?index"
    r"-url|find"
    r"-links)\b|https?://[^\s\"')]*/(?:simple|py"
    r"pi)(?:/|\b)",
    "a host of packages": r"(?:artifact" r"ory|nex" r"us|devp" r"i|pythonhos" r"ted)[\w.-]*\.[a-z]{2,}",
    "a name inside a network": r"https?://[\w.-]+\.(?:internal|local|lan|corp)\b",
}


def tracked_files() -> list[Path]:
    """Every file that git knows; skips where this is no checkout."""
    git = shutil.which("git") or pytest.skip("there is no git here")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked_files()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]

    assert found == []


def test_the_root_holds_the_four_folders_and_what_must_lie_there() -> None:
    tops = {path.relative_to(ROOT).parts[0] for path in tracked_files()}
    files = {
        "pyproject.toml",
        "README.md",
        "README.zh-CN.md",
        "Makefile",
        "requirements.lock",
        "CHANGELOG.md",
        "LICENSE",
    }

    assert tops <= files | {"prefect.yaml", "Dockerfile", ".dockerignore", ".ci", ".gitignore"} | {
        "pipelines",
        "sql",
        "notebooks",
        "tests",
    }
    assert tops >= files

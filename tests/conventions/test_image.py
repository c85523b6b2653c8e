"""The Dockerfile copies files that exist and are let in, all that the wheel is built of, and runs as a plain user."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_image_is_built_of_files_that_exist_and_that_the_wheel_needs() -> None:
    copied = {
        name for names in re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE) for name in names.split()
    }
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[0] == "!"}
    project = PROJECT["project"]
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]

    assert copied == let_in
    assert all((ROOT / name).exists() for name in copied)
    assert copied >= {*wheel, project["readme"], *project["license-files"], "requirements.lock", "pyproject.toml"}


def test_the_image_runs_a_command_of_ours_as_a_plain_user_with_the_extra_installed() -> None:
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]

    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", last_stage, re.MULTILINE)
    assert [*PROJECT["project"]["scripts"]] == re.findall(r'^CMD \["(\w+)"', last_stage, re.MULTILINE)
    assert re.findall(r'"\.\[(\w+)\]"', DOCKERFILE) == [*PROJECT["project"]["optional-dependencies"]]

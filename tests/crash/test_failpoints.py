"""A failpoint kills the process that reaches it, commands refuse unknown names, and each is in the code once."""

import ast
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import pipelines
from pipelines.failpoints import POINTS
from tests.support.places import COMMAND

REACH = "from pipelines.failpoints import reach; [reach('publish.after_rename') for _ in range(3)]; print('alive')"


def test_every_failpoint_is_in_the_code_and_no_other() -> None:
    found: Counter[str] = Counter()
    for path in Path(pipelines.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "reach":
                (point,) = node.args
                assert isinstance(point, ast.Constant), f"{path}: a point is named by a text"
                found[point.value] += 1

    assert found == dict.fromkeys(POINTS, 1)


@pytest.mark.parametrize(
    ("named", "code", "words"),
    [
        ("", 0, "alive"),
        ("publish.before_rename", 0, "alive"),
        ("publish.after_rename", -9, ""),
        ("publish.after_rename:3", -9, ""),
        ("publish.after_rename:4", 0, "alive"),
        ("publish.in_the_middle", 0, "alive"),
    ],
)
def test_a_process_dies_at_its_failpoint_only(named: str, code: int, words: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", REACH], env={"SMSRECON_FAILPOINT": named}, capture_output=True, text=True, check=False
    )

    assert ended.returncode == code
    assert words in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("publish.in_the_middle", "there is no failpoint publish.in_the_middle"),
        ("publish.after_rename:often", "often is no number of times"),
    ],
)
def test_a_command_with_a_wrong_failpoint_is_wrong_usage(tmp_path: Path, named: str, words: str) -> None:
    ended = subprocess.run(
        [*COMMAND, "doctor"],
        cwd=tmp_path, env=os.environ | {"SMSRECON_FAILPOINT": named}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (ended.returncode, ended.stderr.count("\n"), words in ended.stderr) == (2, 1, True)

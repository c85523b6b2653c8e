"""The wheel holds the code and all of sql/, and none of the pages, which are for readers of the repository."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]


def test_the_wheel_holds_the_package_and_sql_and_no_page(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}

    code = {path.relative_to(ROOT).as_posix() for path in (ROOT / "pipelines").rglob("*.py")}
    sql = {
        f"pipelines/{path.relative_to(ROOT).as_posix()}"
        for path in (ROOT / "sql").rglob("*")
        if path.suffix in {".sql", ".csv"}
    }
    assert shipped >= code | sql | {"pipelines/translations.csv"}
    assert not [name for name in shipped if name.endswith(".md")]

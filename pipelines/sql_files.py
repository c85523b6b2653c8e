"""The files of sql/: where they lie, and how a statement or a reference table is read by its name."""

import csv
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).parent

# In a wheel sql/ lies in the package, in a checkout beside it.
SQL_FOLDER: Final = next(folder for folder in (_PACKAGE / "sql", _PACKAGE.parent / "sql") if folder.is_dir())


def names_in(folder: str) -> list[str]:
    """The names of the statements in a folder of sql/, such as `core/message_status`, in order."""
    return [f"{folder}/{path.stem}" for path in sorted((SQL_FOLDER / folder).glob("*.sql"))]


def statement(name: str) -> str:
    """The text of sql/<name>.sql, such as `core/message_status`."""
    return (SQL_FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def reference_path(name: str) -> Path:
    """The path of sql/reference/<name>.csv, such as `error_codes`."""
    return SQL_FOLDER / "reference" / f"{name}.csv"


def reference_rows(name: str) -> list[dict[str, str]]:
    """The rows of sql/reference/<name>.csv, every value as text."""
    with reference_path(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))

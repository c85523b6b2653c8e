"""The reference tables of sql/reference, as plain rows."""

import csv
from functools import lru_cache
from pathlib import Path

REFERENCE = Path(__file__).parents[2] / "sql" / "reference"


@lru_cache
def reference(name: str) -> list[dict[str, str]]:
    with (REFERENCE / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@lru_cache
def gateway_codes() -> dict[str, dict[str, str]]:
    return {row["code"]: row for row in reference("gateway_codes")}


def is_hard(code: str | None) -> bool:
    return code in gateway_codes() and gateway_codes()[code]["is_hard"] == "true"

"""Two makers of the same tables must agree, row by row; where they don't, table, row and column are named."""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

Row = dict[str, Any]

# Floating point numbers are the same where all but their last digits are.
_CLOSE = 1e-9


def disagreement(table: str, ours: Iterable[Row], theirs: Iterable[Row], *, names: tuple[str, str]) -> str | None:
    """The first difference found; None if there is no difference. The order of rows makes no difference."""
    one, other = (sorted(rows, key=_key) for rows in (ours, theirs))
    columns = {frozenset(row) for row in (*one, *other)}
    if len(columns) > 1:
        return f"{table}: columns {sorted(frozenset.union(*columns) - frozenset.intersection(*columns))} are not in all"
    if len(one) != len(other):
        keys, other_keys = [_key(row) for row in one], [_key(row) for row in other]
        more = _beyond(one, keys, other_keys), _beyond(other, other_keys, keys)
        return f"{table}: {names[0]} has {len(one)} rows, {names[1]} {len(other)}; only one of them: {more}"
    for row, counterpart in zip(one, other, strict=True):
        for column, value in row.items():
            if not _is_same(value, counterpart[column]):
                return (
                    f"{table}, column {column}: {names[0]} says {value!r}, {names[1]} {counterpart[column]!r}\n"
                    f"  {names[0]}: {row}\n  {names[1]}: {counterpart}"
                )
    return None


def assert_same(ours: Mapping[str, list[Row]], theirs: Mapping[str, list[Row]], *, names: tuple[str, str]) -> None:
    """Fails with what is first found not to be the same in every table where something is."""
    assert ours.keys() == theirs.keys()
    found = [disagreement(table, rows, theirs[table], names=names) for table, rows in ours.items()]
    assert not any(found), "\n\n".join(filter(None, found))


def without(columns: Iterable[str], rows: Iterable[Row]) -> list[Row]:
    """The rows without these columns."""
    return [{name: value for name, value in row.items() if name not in columns} for row in rows]


def _key(row: Row) -> list[tuple[str, str]]:
    """To sort by: what can't differ in its last digits only."""
    return sorted((name, _plain(value)) for name, value in row.items() if not isinstance(value, float))


def _plain(value: Any) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else repr(value)


def _beyond(rows: list[Row], keys: list[Any], others: list[Any]) -> list[Row]:
    return [row for row, key in zip(rows, keys, strict=True) if key not in others][:3]


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_CLOSE, abs_tol=_CLOSE)
    return one == other and (type(one) is type(other) or isinstance(one, datetime))

"""What was told last, so that a watch that looks every few minutes doesn't say the same each time.

A small JSON file: rule and campaign of every finding that still stands → when it was told. Losing it costs one message
too many, so a file that can't be read is one that says nothing.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pipelines.alerts.findings import Finding
from pipelines.files import write_whole

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@contextmanager
def due_alerts(
    findings: Sequence[Finding], *, rules: set[str], path: Path, at: datetime, repeat_hours: float
) -> Iterator[list[Finding]]:
    """The findings to tell now: new ones, and those told `repeat_hours` ago or longer.

    They are remembered as told when the block ends, and not when it raises. `rules` are those that were examined: what
    they no longer find is forgotten, and told at once when it comes back. What was told in the future, by a clock that
    was put back since, is told again.
    """
    told = _read(path)
    repeat = timedelta(hours=repeat_hours)
    due = [finding for finding in findings if not timedelta() <= at - told.get(_key(finding), _NEVER) < repeat]
    yield due
    standing = {_key(finding) for finding in findings}
    kept = {key: when for key, when in told.items() if key in standing or key.partition(" ")[0] not in rules}
    kept |= {_key(finding): at for finding in due}
    content = json.dumps({key: when.isoformat() for key, when in kept.items()}, indent=2)
    write_whole(path, content.encode(), overwrite=True)


def _key(finding: Finding) -> str:
    return f"{finding.rule} {finding.campaign_id or ''}".strip()


def _read(path: Path) -> dict[str, datetime]:
    try:
        told = json.loads(path.read_bytes())
        return {key: datetime.fromisoformat(when).astimezone() for key, when in told.items()}
    except (FileNotFoundError, ValueError, OverflowError, TypeError, AttributeError):
        return {}

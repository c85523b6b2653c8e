"""The alerts that were sent, so that a check every few minutes doesn't send the same each time.

A small JSON file: rule and campaign of every finding that still stands → when its alert was sent. Losing it costs one
alert too many, so a file that can't be read counts as empty.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pipelines.alerts.findings import Finding
from pipelines.files import write_whole

_FORMER_NAME: Final = "told.json"  # its name in 0.1.0, still read for one release
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@contextmanager
def due_alerts(
    findings: Sequence[Finding], *, rules: set[str], path: Path, at: datetime, repeat_hours: float
) -> Iterator[list[Finding]]:
    """Yield the findings to send now: new ones, and those sent `repeat_hours` ago or longer.

    They are remembered as sent when the block ends, and not if it raises. `rules` are those that were examined: a
    finding that they no longer make is forgotten, and sent at once when it comes back. One that was sent in the future,
    by a clock that was put back since, is sent again.
    """
    former = path.with_name(_FORMER_NAME)
    sent = _read(path if path.exists() else former)
    repeat = timedelta(hours=repeat_hours)
    due = [finding for finding in findings if not timedelta() <= at - sent.get(_key(finding), _NEVER) < repeat]
    yield due
    standing = {_key(finding) for finding in findings}
    kept = {key: when for key, when in sent.items() if key in standing or key.partition(" ")[0] not in rules}
    kept |= {_key(finding): at for finding in due}
    content = json.dumps({key: when.isoformat() for key, when in kept.items()}, indent=2)
    write_whole(path, content.encode(), overwrite=True)
    former.unlink(missing_ok=True)


def _key(finding: Finding) -> str:
    return f"{finding.rule} {finding.campaign_id or ''}".strip()


def _read(path: Path) -> dict[str, datetime]:
    try:
        sent = json.loads(path.read_bytes())
        return {key: datetime.fromisoformat(when).astimezone() for key, when in sent.items()}
    except (FileNotFoundError, ValueError, OverflowError, TypeError, AttributeError):
        return {}

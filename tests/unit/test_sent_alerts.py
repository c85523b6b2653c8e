"""What was told is not told again until it is time, or until it had gone and came back."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.alerts.findings import Finding
from pipelines.alerts.sent_alerts import due_alerts

NOON = datetime(2026, 11, 10, 4, 0, tzinfo=UTC)
LOW = Finding("low_balance", "the balance is low; top up", 16)
SPRING = Finding("in_doubt", "in doubt; see", 13, campaign_id="spring")
AUTUMN = Finding("in_doubt", "in doubt; see", 13, campaign_id="autumn")


def told(
    path: Path, *findings: Finding, at: datetime = NOON, rules: tuple[str, ...] = ("low_balance",)
) -> list[Finding]:
    """What a watch tells that examined `rules` and found `findings`."""
    with due_alerts(findings, rules=set(rules), path=path, at=at, repeat_hours=24) as due:
        return due


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sent_alerts.json"


def test_a_finding_is_told_once_until_it_is_time_again(path: Path) -> None:
    assert told(path, LOW) == [LOW]
    assert told(path, LOW, at=NOON + timedelta(hours=23, minutes=59)) == []
    assert told(path, LOW, at=NOON + timedelta(hours=24)) == [LOW]
    assert told(path, LOW, at=NOON + timedelta(hours=47)) == []


def test_what_an_older_version_sent_is_not_sent_again(path: Path) -> None:
    told(path, LOW)
    former = path.rename(path.with_name("told.json"))

    assert told(path, LOW, at=NOON + timedelta(hours=1)) == []
    assert path.exists()
    assert not former.exists()
    assert told(path, LOW, at=NOON + timedelta(hours=2)) == []


def test_a_finding_that_had_gone_is_told_at_once_when_it_comes_back(path: Path) -> None:
    told(path, LOW)

    assert told(path) == []
    assert told(path, LOW, at=NOON + timedelta(minutes=20)) == [LOW]


def test_campaigns_are_told_one_by_one(path: Path) -> None:
    told(path, SPRING, rules=("in_doubt",))

    assert told(path, SPRING, AUTUMN, rules=("in_doubt",)) == [AUTUMN]


def test_a_rule_that_was_not_examined_forgets_nothing(path: Path) -> None:
    told(path, SPRING, rules=("in_doubt",))
    told(path, LOW)

    assert told(path, SPRING, rules=("in_doubt",)) == []
    assert told(path, LOW) == []


def test_what_could_not_be_told_is_told_the_next_time(path: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        due_alerts([LOW], rules={"low_balance"}, path=path, at=NOON, repeat_hours=24),
    ):
        raise ZeroDivisionError

    assert told(path, LOW) == [LOW]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b"[]", b"3", b'{"": ""}', b'{"low_balance": 1}', b'{"low_balance": "0001-01-01"}'],
)
def test_a_damaged_file_means_that_nothing_was_told(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)

    assert told(path, LOW) == [LOW]
    assert told(path, LOW) == []

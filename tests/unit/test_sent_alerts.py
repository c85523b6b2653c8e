"""An alert is sent once: it is repeated after a while, and sent again if its finding went away and came back."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.alerts.findings import Finding
from pipelines.alerts.sent_alerts import due_alerts

NOON = datetime(2026, 11, 10, 4, 0, tzinfo=UTC)
LOW = Finding("low_balance", "the balance is low; top up", 16)
SPRING = Finding("in_doubt", "in doubt; see", 13, campaign_id="spring")
AUTUMN = Finding("in_doubt", "in doubt; see", 13, campaign_id="autumn")


def sent(
    path: Path, *findings: Finding, at: datetime = NOON, rules: tuple[str, ...] = ("low_balance",)
) -> list[Finding]:
    """Findings to send now, after `rules` were examined and made `findings`."""
    with due_alerts(findings, rules=set(rules), path=path, at=at, repeat_hours=24) as due:
        return due


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sent_alerts.json"


def test_a_finding_is_sent_once_until_it_is_time_to_repeat_it(path: Path) -> None:
    assert sent(path, LOW) == [LOW]
    assert sent(path, LOW, at=NOON + timedelta(hours=23, minutes=59)) == []
    assert sent(path, LOW, at=NOON + timedelta(hours=24)) == [LOW]
    assert sent(path, LOW, at=NOON + timedelta(hours=47)) == []


def test_what_an_older_version_sent_is_not_sent_again(path: Path) -> None:
    sent(path, LOW)
    former = path.rename(path.with_name("told.json"))

    assert sent(path, LOW, at=NOON + timedelta(hours=1)) == []
    assert path.exists()
    assert not former.exists()
    assert sent(path, LOW, at=NOON + timedelta(hours=2)) == []


def test_a_finding_that_comes_back_is_sent_at_once(path: Path) -> None:
    sent(path, LOW)

    assert sent(path) == []
    assert sent(path, LOW, at=NOON + timedelta(minutes=20)) == [LOW]


def test_each_campaign_has_alerts_of_its_own(path: Path) -> None:
    sent(path, SPRING, rules=("in_doubt",))

    assert sent(path, SPRING, AUTUMN, rules=("in_doubt",)) == [AUTUMN]


def test_a_rule_that_was_not_examined_forgets_nothing(path: Path) -> None:
    sent(path, SPRING, rules=("in_doubt",))
    sent(path, LOW)

    assert sent(path, SPRING, rules=("in_doubt",)) == []
    assert sent(path, LOW) == []


def test_what_could_not_be_sent_is_sent_the_next_time(path: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        due_alerts([LOW], rules={"low_balance"}, path=path, at=NOON, repeat_hours=24),
    ):
        raise ZeroDivisionError

    assert sent(path, LOW) == [LOW]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b"[]", b"3", b'{"": ""}', b'{"low_balance": 1}', b'{"low_balance": "0001-01-01"}'],
)
def test_a_damaged_file_counts_as_empty(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)

    assert sent(path, LOW) == [LOW]
    assert sent(path, LOW) == []

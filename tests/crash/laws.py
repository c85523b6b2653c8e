"""Laws that hold however processes end, checked against the sandbox's truth.

    sent once           the gateway accepted no message twice
    late suppressions   nothing is sent to a phone after it was suppressed
    known               every message that the gateway accepted is accepted or in doubt in the journal
    landed              records that the gateway handed out are in the landing; missing ones were on the wire, and
                        belong to a call that is known to have ended without an answer
    readable            the published copy can be opened, and is whole
    logged              core.pulls has exactly the calls that ended without an answer
    balanced            the checks of the books pass, and every message has the status that the truth implies
    rebuilt             `rebuild` gives the same rows in every table

The first five are checked after every death, all of them at the end of a life.
"""

import json
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import NamedTuple

import duckdb

from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.journal.records import BatchRecord
from pipelines.landing.calls import Call
from pipelines.operations import daily
from pipelines.warehouse.database import warehouse_of
from tests.crash.places import Place
from tests.support.books import all_rows
from tests.support.worlds import expected_statuses

Record = tuple[str, ...]  # mission_num, phone, code, stat_time of a report; phone, content, access_num, time of a reply

_REPORTS = "SELECT mission_num, phone, code, stat_time FROM reports WHERE handed_out_count > lost_count"
_REPLIES = "SELECT phone, content, access_num, mo_time FROM replies WHERE handed_out_count > lost_count"


class Asked(NamedTuple):
    """The kind and the day of a call."""

    kind: str
    day: date | None


@dataclass
class Laws:
    """The laws of one place, with a memory of landed files already read and records already missing."""

    place: Place
    landed: set[Record] = field(default_factory=set)
    missing: set[Record] = field(default_factory=set)
    unanswered: dict[datetime, Asked] = field(default_factory=dict)  # by the time of the call
    is_published: bool = False
    newly_listed: set[str] = field(default_factory=set)  # phones suppressed since the last check
    _listed: dict[str, int] = field(default_factory=dict)  # phone → the last message accepted by then
    _files_read: set[str] = field(default_factory=set)
    _explained: set[datetime] = field(default_factory=set)  # the unanswered calls that a loss was blamed on
    _answered: set[datetime] = field(default_factory=set)

    def hold_after_death(self) -> None:
        self.sent_once()
        self.late_suppressions()
        self.known()
        self.all_landed()
        self.readable()

    def hold_at_the_end(self) -> None:
        self.hold_after_death()
        if self.place.sandbox.settings.report_mode == "snapshot":
            assert not self.missing, f"{len(self.missing)} records could have been asked for again"
        self.logged()
        as_of = self.place.clock()
        self.balanced(as_of)
        self.rebuilt(as_of)

    def sent_once(self) -> None:
        twice = self.place.truth("SELECT mission_num FROM messages GROUP BY mission_num HAVING count(*) > 1")
        assert not twice, f"{len(twice)} messages were accepted twice"

    def late_suppressions(self) -> None:
        """Called while no process runs, so that requests in flight when a phone was listed have arrived."""
        last = dict(self.place.truth("SELECT phone, max(message) FROM messages GROUP BY phone"))
        sent = [phone for phone, number in self._listed.items() if last.get(phone, 0) > number]
        assert not sent, f"{len(sent)} people were sent to after they had been listed"
        self._listed |= {phone: last.get(phone, 0) for phone in self.newly_listed}
        self.newly_listed = set()

    def known(self) -> None:
        states = self._states()
        accepted = self.place.truth("SELECT batch_num, mission_num FROM messages")
        found = Counter(
            states.get((batch_num, int(mission_num[-9:])), "unknown") for batch_num, mission_num in accepted
        )
        assert found.keys() <= {"accepted", "in_doubt"}, f"accepted by the gateway, and with us {dict(found)}"

    def all_landed(self) -> None:
        """A call without an answer explains a loss once; the gateway may hand records out after its caller has died."""
        self._look_into_the_landing()
        calls = {asked for at, asked in self.unanswered.items() if at not in self._explained}
        handed_out = {row: Asked("reports", date.fromisoformat(row[3][:10])) for row in self.place.truth(_REPORTS)}
        handed_out |= {row: Asked("replies", None) for row in self.place.truth(_REPLIES)}
        missing = handed_out.keys() - self.landed
        lost = Counter(handed_out[record] for record in missing - self.missing)
        assert lost.keys() <= calls, f"handed out and not landed: {dict(lost)}; calls without an answer: {calls}"
        self.missing = missing
        self._explained |= {at for at, asked in self.unanswered.items() if asked in lost}

    def readable(self) -> None:
        database = self.place.settings.data_dir / "published" / "analytics.duckdb"
        if not self.is_published:
            return
        with closing(duckdb.connect(str(database), read_only=True)) as connection:
            messages = "SELECT count(*), count(*) FILTER (status = 'delivered') FROM messages"
            rows = "SELECT coalesce(sum(row_count), 0), coalesce(sum(delivered_count), 0) FROM marts.campaign_delivery"
            (found,), (expected,) = connection.execute(messages).fetchall(), connection.execute(rows).fetchall()
        assert found == expected, f"published: {found} rows and delivered messages, {expected} in the marts"

    def logged(self) -> None:
        with warehouse_of(self.place.settings).read() as connection:
            rows = connection.execute(
                "SELECT epoch_us(called_at), kind, pulled_on FROM core.pulls"
                " WHERE outcome = 'no_answer' AND kind <> 'balance'"
            ).fetchall()
        logged = {
            datetime.fromtimestamp(at // 10**6, UTC).replace(microsecond=at % 10**6): Asked(*asked)
            for at, *asked in rows
        }
        assert logged == self.unanswered

    def balanced(self, as_of: datetime) -> None:
        states = self._states()
        not_answered = {batch_num for (batch_num, _), state in states.items() if state != "accepted"}
        settled = {batch.batch_num for batch in self._batches() if batch.decided_by is not None}
        expected = expected_statuses(self.place, received=self.landed, not_answered=not_answered, settled=settled)
        found = self.place.statuses()
        wrong = Counter(
            (found.get(message, "unknown"), *sorted(statuses))
            for message, statuses in expected.items()
            if found.get(message) not in statuses
        )
        assert not wrong, f"status, and what it should be: {dict(wrong)}"
        others = Counter(status for message, status in found.items() if message not in expected)
        assert others.keys() <= {"refused", "in_doubt", "suppressed"}, (
            f"not accepted by the gateway, and with us {dict(others)}"
        )
        summary = daily.reconcile(self.place.settings, as_of=as_of)
        assert summary.is_balanced, summary.failed_checks

    def rebuilt(self, as_of: datetime) -> None:
        """Called with the instant at which the books were closed."""
        before = all_rows(self.place)
        daily.rebuild(self.place.settings, as_of=as_of)
        after = all_rows(self.place)
        differing = [table for table in before.keys() | after.keys() if before.get(table) != after.get(table)]
        assert not differing, f"rebuilt otherwise: {differing}"

    def _states(self) -> dict[tuple[str, int], str]:
        """(batch number, position) → state, of all messages that ever left."""
        return {
            (batch.batch_num, position): batch.state
            for batch in self._batches()
            for position in range(batch.first_position, batch.last_position + 1)
        }

    def _batches(self) -> list[BatchRecord]:
        with Journal.read_only(self.place.landing.journal) as journal:
            return [batch for campaign_id in self.place.campaigns for batch in journal.batches(campaign_id)]

    def _look_into_the_landing(self) -> None:
        """Read new landed calls, and the marks of pending ones."""
        landing = self.place.landing
        marks = [path.relative_to(landing.root).as_posix() for path in landing.root.glob("pending/*.call")]
        landed = set(landing.calls.names("reports") + landing.calls.names("replies")) - self._files_read
        calls = [landing.calls.read(name) for name in (*sorted(landed), *marks)]
        self._answered |= {call.called_at for call in calls if call.failure is None}
        for call in calls:
            if call.failure is None:
                self.landed |= set(_records(call))
            elif call.kind != "balance" and call.called_at not in self._answered:  # a mark may stand beside its answer
                self.unanswered[call.called_at] = Asked(call.kind, call.day)
        self._files_read |= landed


def _records(call: Call) -> list[Record]:
    """The records of an answer, in the form of the truth."""
    records = json.loads(call.body).get("records", [])
    if call.kind == "reports":
        return [(r["missionNum"], r["destId"][-11:], r["receiveRealStatus"], r["statTime"]) for r in records]
    return [(r["srcId"][-11:], r["content"], r["destId"], r["moTime"]) for r in records]

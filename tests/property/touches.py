"""The ways in which a campaign's tables change, with and without its own events: one change each, on a small world.

`BASE` is loaded and reconciled as of `CLOSED`. Each of `CHANGES` is one thing that happens then. Its campaigns and
phones are in no other change, so that it can be noticed in one way only: by an event of the journal, by a report of a
message, by a row of core.report_lookups, and so on. `WAYS` has the names.

To add a change: put what must be there before into `BASE`, with campaigns and phones of its own, and a row into
`CHANGES`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final

from pipelines.landing.campaigns import Purged
from tests.property.happenings import (
    CHINA,
    OPT_OUT_WORDS,
    Campaign,
    Event,
    Happening,
    Imported,
    Listed,
    Pulled,
    Pushed,
    Recipient,
    Record,
    key_text,
)
from tests.property.increments import Closing
from tests.property.landed import Landed

WAYS: Final = (
    "journal",  # rows of core.campaigns, core.batches, core.recipients that a later load brought
    "reports",  # rows of core.reports that a later load brought or changed, by their message
    "lookups",  # rows of core.report_lookups that came, went or changed
    "gone",  # campaigns that core had
    "clock",  # batches whose report window ended, or has not ended any more
    "phones",  # phones that are followed now: of a reply, of hard failures
    "fingerprint",  # SQL, reference tables, settings
)

SENT: Final = datetime(2026, 11, 10, 10, tzinfo=CHINA)
CLOSED: Final = datetime(2026, 11, 11, 12, tzinfo=CHINA)
WINDOW: Final = timedelta(hours=72)
MOMENT: Final = timedelta(microseconds=1)
HOUR: Final = timedelta(hours=1)

CLOSING: Final = Closing(CLOSED)

Act = Callable[[Landed], None]

_keys = count(1)


def phone(number: int) -> str:
    return f"139000{number:05}"


def planned(
    campaign_id: str,
    phones: Sequence[int],
    *,
    own: Sequence[str] = (),
    extra_num: str | None = None,
    has_secret_key: bool = True,
    planned_at: datetime = SENT - timedelta(days=4),
) -> Campaign:
    """A campaign of these phones, one batch, with own mission numbers if they are given."""
    key = next(_keys)
    return Campaign(
        campaign_id=campaign_id,
        key=key,
        planned_at=planned_at,
        has_own_mission_nums=bool(own),
        has_secret_key=has_secret_key,
        rows=tuple(
            Recipient(
                input_row=position,
                position=position,
                disposition="planned",
                reason=None,
                duplicate_of_row=None,
                phone=phone(number),
                mission_num=own[position] if own else f"{key_text(key)}{position:09}",
                planned_batch=0,
                content="【云鋒網絡】秋季会员日",
                extra_num=extra_num,
                segment_count=1,
            )
            for position, number in enumerate(phones)
        ),
    )


def batch_num(campaign: Campaign, number: int = 1) -> str:
    return f"{key_text(campaign.key)}B{number:08}"


def sent(campaign: Campaign, at: datetime = SENT, state: str = "accepted", number: int = 1) -> list[Event]:
    """The events of a batch with all messages of the campaign."""
    batch = Event(campaign.campaign_id, "sending", at, batch_num(campaign, number), last=len(campaign.rows) - 1)
    codes = {"accepted": "000000", "in_doubt": "999999", "not_sent": "100014"}
    answered_at = at + timedelta(seconds=0.2)
    return [
        replace(batch, attempt=number),
        replace(batch, event=state, happened_at=answered_at, error_code=codes[state], http_status=200, answer_ms=200),
    ]


def report(campaign: Campaign, position: int = 0, code: str = "DELIVRD", **others: str | None) -> Record:
    """A report a minute after SENT; `others` replaces fields of the record."""
    row = campaign.rows[position]
    own: Record = {
        "missionNum": row.mission_num,
        "destId": row.phone,
        "receiveRealStatus": code,
        "batchNum": batch_num(campaign),
        "statTime": at_text(SENT + timedelta(minutes=1)),
        "sendStatus": "SUCCESS",
    }
    return own | others


def numberless(campaign: Campaign, position: int = 0, at: datetime = SENT + 2 * HOUR) -> Record:
    return report(campaign, position, missionNum=None, batchNum=None, statTime=at_text(at))


def reply(number: int, at: datetime | None, content: str = "你好", access_num: str | None = None) -> Record:
    time = None if at is None else at_text(at)
    return {"srcId": phone(number), "content": content, "destId": access_num, "moTime": time}


def at_text(at: datetime) -> str:
    return f"{at.astimezone(CHINA):%Y-%m-%d %H:%M:%S}"


def pulled(*records: Record, at: datetime = SENT + 20 * HOUR) -> Pulled:
    is_report = not records or "missionNum" in records[0]
    return Pulled("reports" if is_report else "replies", at, SENT.date() if is_report else None, records=records)


def pushed(*records: Record, at: datetime = SENT + 4 * HOUR) -> Pushed:
    return Pushed("reports" if "missionNum" in records[0] else "replies", at, f"{at:%Y%m%d%H%M%S}", records)


def imported(*records: Record) -> Imported:
    return Imported(SENT + 21 * HOUR, records)


def listed(number: int, at: datetime, *, is_removed: bool = False) -> Listed:
    return Listed(at.astimezone(UTC), ((phone(number), "complained", at, is_removed),))


def settled(campaign: Campaign, state: str) -> Event:
    """A decision of the operator about the campaign's batch in doubt."""
    return Event(
        campaign.campaign_id, state, SENT + 22 * HOUR, batch_num(campaign), detail="asked", decided_by="the operator"
    )


def purged(campaign: Campaign) -> Act:
    """The mark by which a load removes the campaign; its reports and replies stay."""
    remains = Purged(campaign.campaign_id, CLOSED, {})
    return lambda place: place.landing.campaigns.mark_purged(remains)


# ── The world ─────────────────────────────────────────────────────────────────────────────────────────────────────────

plain = planned("plain", [1, 2, 3])
unsent = planned("unsent", [10])
doubted = planned("doubted", [11])
hinted = planned("hinted", [12, 13], has_secret_key=False)
resent = planned("resent", [14])

ambiguous_one, ambiguous_two = planned("ambiguous-one", [20]), planned("ambiguous-two", [20])
cleared_one, cleared_two = planned("cleared-one", [21]), planned("cleared-two", [21])
freed_one, freed_two = planned("freed-one", [22]), planned("freed-two", [22])
thinned = planned("thinned", [23, 24])
borrowed = planned("borrowed", [25])
later, later_own = planned("later", [26]), planned("later-own", [27], own=["later"])

own = planned("own", [30], own=["own"])
shared_one = planned("shared-one", [31], own=["shared"], planned_at=SENT - timedelta(days=4))
shared_two = planned("shared-two", [31], own=["shared"], planned_at=SENT - timedelta(days=3))
returned_one = planned("returned-one", [32], own=["returned"], planned_at=SENT - timedelta(days=4))
returned_two = planned("returned-two", [32], own=["returned"], planned_at=SENT - timedelta(days=3))

gone = planned("gone", [40, 41])

ended, ended_heard = planned("ended", [50, 51]), planned("ended-heard", [52])
reopened = planned("reopened", [53])

replied = planned("replied", [60, 61, 62])
extended, unextended = planned("extended", [63, 64], extra_num="01"), planned("unextended", [63, 64])
moved_one, moved_two = planned("moved-one", [65]), planned("moved-two", [65])
fallen_one, fallen_two = planned("fallen-one", [66]), planned("fallen-two", [66])

hard_one, hard_two = planned("hard-one", [70, 71, 72, 73]), planned("hard-two", [70, 71, 72, 73])
hard_other = planned("hard-other", [70, 71, 72, 73])
heard_one, heard_two = planned("heard-one", [74]), planned("heard-two", [74])
heard_later = planned("heard-later", [74])
listed_one, listed_two = planned("listed-one", [75]), planned("listed-two", [75])
removed = planned("removed", [76])
again_one, again_two = planned("again-one", [77]), planned("again-two", [77])
again_later = planned("again-later", [77])
doubled = planned("doubled", [4])

unknown_one, unknown_two = planned("unknown-one", [80]), planned("unknown-two", [81])

HARD: Final = "MK:0001"
UNKNOWN: Final = "ZZ:99"


def _base() -> list[Happening]:
    unsent_yet = (unsent, ambiguous_two, moved_two, resent)
    not_planned_yet = (later, later_own, shared_two, again_later)
    odd = {doubted: "in_doubt", hinted: "in_doubt", cleared_one: "in_doubt"}
    times = {ended: CLOSED - WINDOW, ended_heard: CLOSED - WINDOW, reopened: CLOSED - WINDOW - MOMENT}
    times |= {unextended: SENT + HOUR, fallen_two: SENT + HOUR, hard_other: SENT - HOUR, heard_later: SENT + HOUR}
    campaigns = [each for each in globals().values() if isinstance(each, Campaign) and each not in not_planned_yet]
    happenings: list[Happening] = [*campaigns]
    for campaign in campaigns:
        if campaign not in unsent_yet:
            happenings += sent(campaign, times.get(campaign, SENT), odd.get(campaign, "accepted"))
    happenings += [*sent(resent, state="not_sent"), *sent(resent, SENT + HOUR, number=2)]
    reports = [
        report(plain),
        report(plain, 2, destId=phone(99)),
        report(thinned, missionNum=None),
        report(thinned, 1, missionNum=None),
        report(shared_one, batchNum=None),
        report(returned_one, batchNum=None),
        report(later, batchNum=None),
        report(later_own, batchNum=None),
        report(gone),
        report(gone, 1, "ZZ:98"),
        report(ended, statTime=at_text(CLOSED - WINDOW + HOUR)),
        report(ended_heard, statTime=at_text(CLOSED - WINDOW + HOUR)),
        report(hard_one, 0, HARD),
        *(report(campaign, 2, HARD) for campaign in (hard_one, hard_two)),
        *(
            report(campaign, 0, HARD)
            for campaign in (heard_one, heard_two, listed_one, listed_two, again_one, again_two)
        ),
        report(hard_other, 3, statTime=at_text(SENT)),
        report(unknown_one, 0, UNKNOWN),
    ]
    replies = [
        reply(61, SENT + 3 * HOUR),
        *(reply(number, SENT + 3 * HOUR) for number in (63, 65, 66)),
        reply(76, SENT + 3 * HOUR, "TD"),
    ]
    return [
        *happenings,
        pulled(*reports),
        pushed(report(hinted)),
        imported(numberless(ambiguous_one), numberless(cleared_two), numberless(freed_one), _failure()),
        pulled(*replies),
        pushed(reply(62, SENT + 4 * HOUR)),
        Pulled("balance", SENT - 2 * HOUR, balance=1000),
        listed(76, SENT),
    ]


def _failure(**others: str | None) -> Record:
    """A failure of an export; without a time it gets a borrowed one."""
    return report(borrowed, 0, "MK:0010", **{"statTime": None} | others)


BASE: Final = _base()


# ── One change each ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Change:
    """One thing that happens after `BASE` was closed, and the tables in which it shows.

    Without all of the ways of an item of `needs` ("reports", or "reports lookups" if either is enough), some table
    would stay as it was. An item-less change shows in tables of the grain `whole` only.
    """

    name: str
    happenings: tuple[Happening, ...] = ()
    act: Act = lambda _: None
    closing: Closing = CLOSING
    needs: tuple[str, ...] = ()
    shows: frozenset[str] = frozenset()
    is_balanced: bool = True  # False if a check fails afterwards
    is_deep: bool = False  # a variant, for the deep lane


def _change(
    name: str,
    *happenings: Happening | Iterable[Happening],
    act: Act = lambda _: None,
    needs: Sequence[str] = (),
    shows: str = "",
    is_balanced: bool = True,
    is_deep: bool = False,
    **closing: object,
) -> Change:
    flat = [each for one in happenings for each in (one if isinstance(one, list) else [one])]
    closed = replace(CLOSING, **closing)  # type: ignore[arg-type]
    return Change(name, tuple(flat), act, closed, tuple(needs), frozenset(shows.split()), is_balanced, is_deep)


MESSAGES: Final = "core.message_status marts.campaign_delivery"

CHANGES: Final = (
    _change("nothing"),
    # the journal
    _change("a plan", planned("new", [90, 91]), needs=["journal"], shows=MESSAGES),
    _change(
        "a plan of a campaign that is never sent",
        planned("empty", []),
        needs=["journal"],
        shows=MESSAGES[20:],
        is_deep=True,
    ),
    _change("a batch", sent(unsent), needs=["journal"], shows=MESSAGES),
    _change("an answer nobody trusts", sent(unsent, state="in_doubt"), needs=["journal"], shows=MESSAGES, is_deep=True),
    _change(
        "a batch that was not sent",
        sent(unsent, state="not_sent"),
        needs=["journal"],
        shows="marts.batch_delivery",
        is_deep=True,
    ),
    _change("a decision that it was accepted", settled(doubted, "accepted"), needs=["journal"], shows=MESSAGES),
    _change("a decision to send again", settled(doubted, "not_sent"), needs=["journal"], shows=MESSAGES, is_deep=True),
    _change(
        "a pause",
        Event("plain", "paused", SENT + HOUR, detail="balance too low"),
        shows="marts.campaign_delivery",
        is_deep=True,
    ),
    _change(
        "a message in two batches",
        sent(doubled, SENT + HOUR, number=2),
        needs=["journal"],
        shows="core.message_status",
        is_balanced=False,
    ),
    # reports of messages
    _change("a report", pulled(report(plain, 1)), needs=["reports"], shows=MESSAGES),
    _change("a pushed report", pushed(report(plain, 1)), needs=["reports"], shows=MESSAGES, is_deep=True),
    _change("an imported report", imported(report(plain, 1)), needs=["reports"], shows=MESSAGES, is_deep=True),
    _change(
        "a second report",
        pulled(report(plain, 0, "MK:0010")),
        needs=["reports"],
        shows="marts.exceptions",
        is_deep=True,
    ),
    _change(
        "a report of another phone",
        pulled(report(plain, 1, destId=phone(98))),
        needs=["reports"],
        shows="core.message_status marts.exceptions",
        is_deep=True,
    ),
    _change(
        "a report of an unsent message",
        pulled(report(unsent, batchNum=None)),
        needs=["reports"],
        shows="core.message_status marts.exceptions",
        is_deep=True,
    ),
    _change(
        "a report of a batch that was not sent",
        pulled(report(resent)),
        needs=["reports"],
        shows="core.message_status marts.exceptions",
        is_deep=True,
    ),
    _change(
        "a proof of a batch in doubt",
        pulled(report(doubted)),
        needs=["reports"],
        shows="core.batch_outcomes core.message_status",
        is_deep=True,
    ),
    _change(
        "a hint about a batch in doubt",
        pushed(report(hinted, 1)),
        needs=["reports"],
        shows="core.batch_outcomes",
        is_deep=True,
    ),
    _change(
        "a hint that a pull proves",
        pulled(report(hinted)),
        needs=["reports"],
        shows="core.batch_outcomes core.message_status",
    ),
    _change(
        "an earlier arrival of a report",
        pulled(report(plain, 2, destId=phone(99)), at=SENT + HOUR),
        needs=["reports"],
        shows="marts.exceptions",
        is_deep=True,
    ),
    _change(
        "an unknown code in another campaign",
        pulled(report(unknown_two, 0, UNKNOWN)),
        needs=["reports"],
        shows="core.message_status marts.exceptions",
        is_deep=True,
    ),
    _change(
        "a row with a number less, replaced",
        pulled(report(thinned)),
        needs=["reports lookups"],
        shows="core.message_status core.report_lookups",
    ),
    _change(
        "a failure with a time of its own",
        pulled(_failure(statTime=at_text(SENT + HOUR))),
        needs=["reports"],
        shows="core.message_status",
        is_deep=True,
    ),
    # reports that are looked up
    _change("a report with the input file's number", pulled(report(own)), needs=["lookups"], shows=MESSAGES),
    _change(
        "a report without a mission number",
        pulled(report(plain, 1, missionNum=None)),
        needs=["lookups"],
        shows=MESSAGES,
        is_deep=True,
    ),
    _change("a report without numbers", imported(numberless(plain, 1)), needs=["lookups"], shows=MESSAGES),
    _change(
        "a match that another batch makes ambiguous",
        sent(ambiguous_two, SENT + HOUR),
        needs=["lookups", "journal"],
        shows=MESSAGES,
    ),
    _change(
        "a match that a decision makes certain",
        settled(cleared_one, "not_sent"),
        needs=["lookups", "journal"],
        shows=MESSAGES,
        is_deep=True,
    ),
    _change("a number that a newer campaign has too", shared_two, needs=["lookups"], shows=MESSAGES, is_deep=True),
    _change(
        "a row replaced by one with a stranger's number",
        pulled(report(thinned, missionNum="stranger")),
        needs=["lookups"],
        shows=MESSAGES,
    ),
    _change(
        "the plan of reports that were there before",
        later,
        sent(later),
        needs=["journal"],
        shows=MESSAGES,
        is_deep=True,
    ),
    _change(
        "the plan of looked-up reports that were there before",
        later_own,
        sent(later_own),
        needs=["journal lookups"],
        shows=MESSAGES,
        is_deep=True,
    ),
    # campaigns that are gone
    _change("a campaign that is gone", act=purged(gone), needs=["gone"], shows=MESSAGES),
    _change(
        "a match that a campaign that is gone made ambiguous",
        act=purged(freed_two),
        needs=["gone"],
        shows=MESSAGES,
        is_deep=True,
    ),
    _change("a number that a newer campaign had too", act=purged(returned_two), needs=["gone"], shows=MESSAGES),
    _change("a reply to a campaign that is gone", act=purged(fallen_two), needs=["gone"], shows=MESSAGES, is_deep=True),
    _change(
        "a hard failure in a campaign that is gone",
        act=purged(heard_two),
        needs=["gone"],
        shows="core.phones_to_suppress",
        is_deep=True,
    ),
    # the clock
    _change("the end of a report window", as_of=CLOSED + MOMENT, needs=["clock"], shows=MESSAGES),
    _change("the end of all report windows", as_of=CLOSED + 2 * WINDOW, needs=["clock"], shows=MESSAGES, is_deep=True),
    _change("a clock put back into a report window", as_of=CLOSED - MOMENT, needs=["clock"], shows=MESSAGES),
    _change(
        "a clock put back to before everything",
        as_of=CLOSED - 2 * WINDOW,
        needs=["clock"],
        shows="marts.pull_coverage",
        is_deep=True,
    ),
    _change("another day", as_of=CLOSED + 12 * HOUR, shows="marts.pull_coverage", is_deep=True),
    # replies
    _change(
        "a reply", pulled(reply(60, SENT + HOUR)), needs=["phones"], shows="core.reply_matches marts.campaign_delivery"
    ),
    _change(
        "a reply without a time",
        pulled(reply(60, None)),
        needs=["phones"],
        shows="core.reply_matches marts.campaign_delivery",
        is_deep=True,
    ),
    _change(
        "a pushed reply",
        pushed(reply(60, SENT + HOUR)),
        needs=["phones"],
        shows="marts.campaign_delivery",
        is_deep=True,
    ),
    _change(
        "an opt-out",
        pulled(reply(60, SENT + HOUR, "TD")),
        needs=["phones"],
        shows="core.phones_to_suppress marts.campaign_delivery",
        is_deep=True,
    ),
    _change(
        "nearly an opt-out",
        pulled(reply(60, SENT + HOUR, "不要退订")),
        needs=["phones"],
        shows="core.reply_matches marts.campaign_delivery",
        is_deep=True,
    ),
    _change(
        "a reply from before the message", pulled(reply(60, SENT - HOUR)), shows="core.reply_matches", is_deep=True
    ),
    _change(
        "a reply of a stranger", pulled(reply(97, SENT + HOUR, "TD")), shows="core.phones_to_suppress", is_deep=True
    ),
    _change(
        "a reply with an extension",
        pulled(reply(64, SENT + 3 * HOUR, access_num="1069000101")),
        needs=["phones"],
        shows="marts.campaign_delivery",
        is_deep=True,
    ),
    _change(
        "a reply replaced by one with an extension",
        pulled(reply(63, SENT + 3 * HOUR, access_num="1069000101")),
        shows="marts.campaign_delivery",
    ),
    _change(
        "a pushed reply that is pulled",
        pulled(reply(62, SENT + 4 * HOUR - timedelta(seconds=9))),
        shows="core.repeated_replies core.reply_matches",
    ),
    _change(
        "a batch that a reply may answer",
        sent(moved_two, SENT + 2 * HOUR),
        needs=["journal"],
        shows="core.reply_matches marts.campaign_delivery",
    ),
    # hard failures and lists
    _change(
        "a second hard failure",
        pulled(report(hard_two, 0, HARD)),
        needs=["reports"],
        shows="core.phones_to_suppress",
        is_deep=True,
    ),
    _change(
        "two hard failures at once",
        pulled(report(hard_one, 1, HARD), report(hard_two, 1, HARD)),
        needs=["phones", "reports"],
        shows="core.phones_to_suppress",
    ),
    _change(
        "hard failures after a delivery",
        pulled(report(hard_one, 3, HARD), report(hard_two, 3, HARD)),
        needs=["phones", "reports"],
        shows="core.phones_to_suppress",
        is_deep=True,
    ),
    _change(
        "a delivery after hard failures",
        pulled(report(heard_later, statTime=at_text(SENT + 2 * HOUR))),
        needs=["reports"],
        shows="core.phones_to_suppress core.message_status",
        is_deep=True,
    ),
    _change(
        "a delivery instead of a hard failure",
        pulled(report(again_one, statTime=at_text(SENT + HOUR))),
        needs=["reports"],
        shows="core.phones_to_suppress core.message_status",
        is_deep=True,
    ),
    _change(
        "another message to a phone that failed",
        again_later,
        sent(again_later, SENT + HOUR),
        needs=["journal"],
        shows="core.phones_to_suppress core.message_status",
        is_deep=True,
    ),
    _change("a phone put on a list", listed(75, SENT + HOUR), shows="core.phones_to_suppress"),
    _change("a phone taken off a list", listed(76, SENT + HOUR, is_removed=True), shows="core.phones_to_suppress"),
    # what belongs to no campaign
    _change(
        "a report of nobody",
        pulled(report(plain, missionNum="nobody", batchNum=None)),
        shows="core.report_lookups marts.exceptions",
    ),
    _change(
        "a report of nobody with an unknown code",
        pulled(report(plain, 0, UNKNOWN, missionNum="x", batchNum=None)),
        shows="core.report_lookups marts.exceptions",
        is_deep=True,
    ),
    _change("a balance", Pulled("balance", SENT + 2 * HOUR, balance=990), shows="marts.balance_reconciliation"),
    _change("a pull without news", pulled(report(plain)), shows="marts.pull_coverage", is_deep=True),
    _change(
        "a pull that failed",
        Pulled("reports", SENT, SENT.date(), error_code="100014"),
        shows="marts.pull_coverage",
        is_deep=True,
    ),
    _change("a reject", pulled(report(plain, 1, statTime="noon")), shows="marts.exceptions"),
    # settings
    _change("a shorter report window", report_window_hours=24, needs=["fingerprint"], shows=MESSAGES),
    _change("a price", price_per_segment=0.05, needs=["fingerprint"], shows="marts.campaign_delivery", is_deep=True),
    _change(
        "fewer hard failures", hard_failures=1, needs=["fingerprint"], shows="core.phones_to_suppress", is_deep=True
    ),
    _change(
        "fewer words", opt_out_words=OPT_OUT_WORDS[1:], needs=["fingerprint"], shows="core.reply_matches", is_deep=True
    ),
)

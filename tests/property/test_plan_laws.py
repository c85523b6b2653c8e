"""A slow and obvious twin in plain Python decides every row; the plan must agree."""

import re
import tempfile
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.campaign.journal.records import BatchRecord
from pipelines.campaign.plan import PlanFile, PlanRequest, make_plan
from pipelines.campaign.unsent_ranges import SendRange, unsent_ranges
from pipelines.errors import InputRefused
from pipelines.landing.landing import Landing
from pipelines.message_ids import POSITION_BITS, key_text
from pipelines.settings import PlanSettings, Settings

AT = datetime(2026, 11, 22, tzinfo=UTC)

# Few of each, so that they repeat: the same phones in many forms, and some that are invalid.
NUMBERS = ("13800000001", "13800000002", "19912345678", "15000000000")
PHONES = st.one_of(
    st.sampled_from(NUMBERS),
    st.builds(
        lambda prefix, blank, number: prefix + blank + number[:3] + blank + number[3:] + blank,
        st.sampled_from(("", "+86", "86", "0086", "086", "0", "(+86)", "+1 ", "852")),
        st.sampled_from(("", " ", "-", "\u3000", "－", "\t", "\u2014", "\u200b", "'", ")")),
        st.sampled_from(NUMBERS),
    ),
    st.builds(
        lambda dash, number: dash + number, st.sampled_from(("-", " -", "－", "\u200b−")), st.sampled_from(NUMBERS)
    ),
    st.sampled_from((None, "", " ", "12345678901", "1380000000", "１３８００００００01", "+1 202 555 0100", "139")),
    st.text(max_size=13),
)
TEXTS = st.one_of(
    st.sampled_from(
        (
            "【云锋】到货",
            "到货【云锋】",
            "【云锋】" + "货" * 67,
            "【云锋】" + "🚚" * 34,
            "【云锋】" + "🚚" * 65,
            "【云】货" + "🚚" * 65,
            "到货",
            "",
            None,
            "【】x",
        )
    ),
    st.text(alphabet="【】ab \n", max_size=8),
)
MISSIONS = st.sampled_from(("m1", "m2", "m_3", "M1", "m-4", "x" * 33, "", None)) | st.uuids().map(lambda u: u.hex)
EXTRAS = st.sampled_from((None, None, "1", "02", "1234567", "x"))
TEMPLATES = st.sampled_from((None, "t1", "t2"))


@dataclass(frozen=True)
class Fate:
    """The disposition of one row."""

    disposition: str
    reason: str | None = None
    duplicate_of_row: int | None = None
    segments: int | None = None


def is_space(character: str) -> bool:
    """True for white space of Unicode; Python's isspace adds four ASCII separators."""
    return character.isspace() and character not in "\x1c\x1d\x1e\x1f"


def is_blank(text: str | None) -> bool:
    return text is None or all(map(is_space, text))


def is_dash(character: str) -> bool:
    return character == "−" or unicodedata.category(character) == "Pd"


def normalised(phone: str | None) -> str | None:
    """The eleven digits, or what was given."""
    if phone is None:
        return None
    number = "".join(c for c in phone if not (is_space(c) or is_invisible(c)))
    if (number and is_dash(number[0])) or is_abroad(phone):  # a dash: a negative number
        return phone
    number = bare(phone)
    for prefix in ("+0086", "+086", "+86", "0086", "086", "86", ""):
        rest = number.removeprefix(prefix)
        for digits in (rest, rest.removeprefix("0")):
            if number.startswith(prefix) and is_phone(re.sub(r"\.0*$", "", digits)):
                return digits[:11]
    return phone


def is_invisible(character: str) -> bool:
    return unicodedata.category(character) == "Cf"


def is_gap(character: str) -> bool:
    return is_space(character) or is_invisible(character) or is_dash(character) or character in "()[]（）［］'‘’＇`"


def bare(phone: str) -> str:
    """A phone without gaps, its digits in ASCII."""
    return "".join(
        unicodedata.normalize("NFKC", c) if c in "０１２３４５６７８９＋" else c for c in phone if not is_gap(c)
    )


def is_abroad(phone: str) -> bool:
    """True for another country's prefix, for numbers of Hong Kong, Macau and Taiwan, and for 1 202 555 0100."""
    number = bare(phone)
    code = number.removeprefix("+") if number.startswith("+") else number.removeprefix("00")
    if code != number and code[:2] not in ("", "8", "86"):
        is_country = code[0] in "12345679" or (code[0] == "8" and code[1] in "012345789")
        if is_country:
            return True
    if re.fullmatch("85[23][0-9]{8}|8860?9[0-9]{8}", number):
        return True
    groups = "".join(
        " "
        if (is_gap(c) and c not in "'‘’＇`") or c == "."
        else unicodedata.normalize("NFKC", c)
        if c in "０１２３４５６７８９"
        else c
        for c in phone
        if not is_invisible(c)
    ).split()
    one, *others = groups or [""]
    return (
        one == "1"
        and [*map(len, others)] in ([10], [3, 7], [6, 4], [3, 3, 4])
        and all(re.fullmatch("[0-9]+", each) for each in others)
    )


def is_phone(number: str | None) -> bool:
    return (
        number is not None
        and len(number) == 11
        and number[0] == "1"
        and number[1] in "3456789"
        and all(digit in "0123456789" for digit in number)
    )


def text_reason(text: str | None) -> str | None:
    if text is None or is_blank(text):
        return "content_missing"
    if len(text) > 100:
        return "content_too_long"
    starts, ends = re.match("【[^【】]+】", text), re.search(r"【[^【】]+】\Z", text)
    return None if starts or ends else "content_without_signature"


def segments(text: str) -> int:
    widths = [len(character.encode("utf-16-le")) // 2 for character in text]
    if sum(widths) <= 70:
        return 1
    count, left = 0, 0
    for width in widths:
        if width > left:
            count, left = count + 1, 67
        left -= width
    return count


def mission_reason(mission: str | None, *, is_anothers: bool) -> str | None:
    if not mission:
        return "mission_num_missing"
    if not re.fullmatch("[A-Za-z0-9_]{1,32}", mission):
        return "mission_num_malformed"
    return "mission_num_repeated" if is_anothers else None


def phone_reason(phone: str | None) -> str | None:
    if is_blank(phone):
        return "phone_missing"
    if is_phone(normalised(phone)):
        return None
    return "phone_foreign" if is_abroad(phone or "") else "phone_malformed"


def fates(rows: list[dict[str, str | None]], suppressed: dict[str, str]) -> list[Fate]:
    first_phone_of: dict[str | None, str | None] = {}
    first_row_of: dict[str | None, int] = {}
    found = []
    for number, row in enumerate(rows):
        phone, mission, extra = normalised(row["phone"]), row.get("mission_num"), row.get("extra_num")
        reason = phone_reason(row["phone"])
        if "mission_num" in row:
            is_anothers = first_phone_of.setdefault(mission, phone) != phone
            reason = reason or mission_reason(mission, is_anothers=is_anothers)
        if extra is not None and not re.fullmatch("[0-9]{1,6}", extra):
            reason = reason or "extra_num_malformed"
        reason = reason or text_reason(row["content"])
        if reason:
            found.append(Fate("invalid", reason))
        elif phone in first_row_of:
            found.append(Fate("duplicate", "phone_repeated", first_row_of[phone]))
        else:
            first_row_of[phone] = number
            if phone in suppressed:
                found.append(Fate("suppressed", suppressed[phone]))
            else:
                found.append(Fate("planned", segments=segments(row["content"])))
    return found


def batches_of(rows: list[dict[str, str | None]], planned: list[int], batch_size: int) -> list[list[int]]:
    """The planned rows in groups that can share a request, in the order of each group's first row."""
    groups: dict[tuple[str | None, ...], list[int]] = {}
    for number in planned:
        row = rows[number]
        template = row.get("template_id")
        kind = (None if template else row["content"], template, row.get("extra_num"))
        groups.setdefault(kind, []).append(number)
    return [
        group[start : start + batch_size] for group in groups.values() for start in range(0, len(group), batch_size)
    ]


@st.composite
def inputs(draw: Callable[..., object]) -> list[dict[str, str | None]]:
    columns = {"phone": PHONES, "content": TEXTS}
    optional = {"mission_num": MISSIONS, "extra_num": EXTRAS, "template_id": TEMPLATES}
    for name in draw(st.sets(st.sampled_from(sorted(optional)))):
        columns[name] = optional[name]
    return draw(st.lists(st.fixed_dictionaries(columns), min_size=1, max_size=40))


@given(
    rows=inputs(),
    suppressed=st.dictionaries(st.sampled_from(NUMBERS), st.sampled_from(("opted_out", "dead_number"))),
    batch_size=st.integers(1, 5),
    cut=st.integers(0, 40),
)
def test_a_plan_decides_every_row_as_its_twin_does(
    rows: list[dict[str, str | None]], suppressed: dict[str, str], batch_size: int, cut: int
) -> None:
    expected = fates(rows, suppressed)
    planned = [number for number, fate in enumerate(expected) if fate.disposition == "planned"]
    order = [number for batch in batches_of(rows, planned, batch_size) for number in batch]
    with tempfile.TemporaryDirectory() as folder:
        landing = landing_with(Path(folder), rows, suppressed, cut)
        request = PlanRequest("twin", Path(folder) / "in")
        chosen = Settings(plan=PlanSettings(batch_size=batch_size, max_content_length=100))
        if not planned:
            with pytest.raises(InputRefused, match="no row can be sent"):
                make_plan(request, landing=landing, settings=chosen, at=AT)
            return
        plan = make_plan(request, landing=landing, settings=chosen, at=AT)
        frame = pl.read_parquet(plan.path)
        read_batches = PlanFile(plan.path).batches()

    # Every row once, with the disposition, the reason and the segments that the twin gives it.
    by_row = frame.sort("input_row")
    assert by_row["input_row"].to_list() == list(range(len(rows)))
    assert list(by_row.select("disposition", "reason", "duplicate_of_row").iter_rows()) == [
        (fate.disposition, fate.reason, fate.duplicate_of_row) for fate in expected
    ]
    assert sum(plan.disposition_counts.values()) == plan.record.row_count == len(rows)

    # The messages first, in the order and under the numbers that the twin gives them; then the other rows.
    messages = frame.head(len(planned))
    key = plan.record.campaign_key
    assert messages["input_row"].to_list() == order
    assert frame["input_row"].to_list()[len(order) :] == [n for n in range(len(rows)) if n not in order]
    assert messages["message_id"].to_list() == [(key << POSITION_BITS) + n for n in range(len(order))]
    assert messages["phone"].to_list() == [normalised(rows[number]["phone"]) for number in order]
    assert messages["content"].to_list() == [rows[number]["content"] for number in order]
    assert messages["segment_count"].to_list() == [expected[number].segments for number in order]
    assert messages["mission_num"].to_list() == [
        rows[number].get("mission_num") or f"{key_text(key)}{position:09}" for position, number in enumerate(order)
    ]
    assert messages["mission_num"].is_unique().all()

    # The batches are the twin's, contiguous, and all of them together are the messages.
    batches = messages.partition_by("planned_batch", maintain_order=True)
    assert [batch["input_row"].to_list() for batch in batches] == batches_of(rows, planned, batch_size)
    assert [position for _, first, last in read_batches for position in range(first, last + 1)] == list(
        range(len(order))
    )


def landing_with(folder: Path, rows: list[dict[str, str | None]], suppressed: dict[str, str], cut: int) -> Landing:
    """The rows in two files, the suppressions in one."""
    (folder / "in").mkdir()
    frame = pl.DataFrame(rows, schema=dict.fromkeys(rows[0], pl.String))
    frame[:cut].write_parquet(folder / "in/1.parquet")
    frame[cut:].write_parquet(folder / "in/2.parquet")
    landing = Landing(folder / "landing")
    (landing.root / "suppressions").mkdir(parents=True)
    listed = pl.DataFrame(list(suppressed.items()), schema=["phone", "reason"], orient="row")
    listed = listed.cast(pl.String).with_columns(since_at=pl.lit(AT))
    listed.write_parquet(landing.root / "suppressions/list.parquet")
    return landing


def record(number: int, part: SendRange, state: str) -> BatchRecord:
    return BatchRecord(
        batch_num=f"ABCDEFGB{number:08}",
        campaign_id="law",
        planned_batch=part.planned_batch,
        first_position=part.first_position,
        last_position=part.last_position,
        attempt=part.attempt,
        decided_by=None,
        state=state,
        error_code=None,
        http_status=None,
        detail=None,
        sent_at=AT,
        answered_at=AT + timedelta(seconds=1),
        answer_ms=1000,
    )


@given(sizes=st.lists(st.integers(1, 9), max_size=6), data=st.data())
def test_settled_and_unsent_ranges_together_are_the_plan(sizes: list[int], data: st.DataObject) -> None:
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    planned = [
        (number, start, start + size - 1) for number, (start, size) in enumerate(zip(starts, sizes, strict=True))
    ]
    history: list[BatchRecord] = []
    waiting = unsent_ranges(planned, history)
    assert [(part.planned_batch, part.first_position, part.last_position) for part in waiting] == planned

    for _ in range(data.draw(st.integers(0, 30), label="events")):
        if not waiting:
            break
        part = waiting.pop(data.draw(st.integers(0, len(waiting) - 1), label="which"))
        states = ["accepted", "refused", "in_doubt", "not_sent"] + ["split"] * (part.message_count > 1)
        state = data.draw(st.sampled_from(states), label="state")
        history.append(record(len(history), part, state))
        waiting += {"split": part.halves(), "not_sent": (part.again(),)}.get(state, ())
        if data.draw(st.booleans(), label="the sender dies, and another starts"):
            waiting = unsent_ranges(planned, history)

        left = unsent_ranges(planned, history)
        settled = [batch for batch in history if batch.state in {"accepted", "refused", "in_doubt"}]
        ranges = sorted((part.first_position, part.last_position) for part in (*left, *settled))
        assert [n for first, last in ranges for n in range(first, last + 1)] == list(range(sum(sizes)))
        for again in left:
            number, first, last = planned[again.planned_batch]
            assert first <= again.first_position <= again.last_position <= last
            assert again.attempt > max((b.attempt for b in history if b.planned_batch == number), default=0)
        assert [part.first_position for part in left] == sorted(part.first_position for part in left)

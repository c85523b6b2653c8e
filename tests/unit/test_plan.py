"""A plan decides every row, numbers the messages, cuts them into batches, and is written in one step."""

import os
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy.exc import OperationalError

from pipelines.campaign.journal.journal import Journal
from pipelines.campaign.plan import ROW_GROUP, Plan, PlanFile, PlanRequest, make_plan
from pipelines.errors import BooksError, InputRefused, SmsreconError, UsageError
from pipelines.files import make_folder
from pipelines.landing.landing import Landing
from pipelines.message_ids import MAX_MESSAGES, POSITION_BITS, batch_num, campaign_key, key_text
from pipelines.settings import PlanSettings, Settings

TEXT = "【云锋】您的订单已发货"
AT = datetime(2026, 11, 22, 8, tzinfo=UTC)
CANARY_PHONE = "13912345678"
CANARY_TEXT = "【云锋】canary 7b1f"


class Desk:
    """Input files of a campaign's owner and a landing, both below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.landing = Landing(root / "landing")

    def write(self, name: str = "in.parquet", **columns: Sequence[object]) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame(columns, strict=False).write_parquet(path)
        return path

    def plan(
        self,
        source: Path,
        campaign_id: str = "spring",
        content: str | None = TEXT,
        *,
        template_id: str | None = None,
        batch_size: int = 1000,
        is_dry_run: bool = False,
    ) -> Plan:
        return make_plan(
            PlanRequest(campaign_id, source, content=content, template_id=template_id),
            landing=self.landing,
            settings=Settings(plan=PlanSettings(batch_size=batch_size)),
            at=AT,
            is_dry_run=is_dry_run,
        )

    def rows(self, campaign_id: str = "spring") -> pl.DataFrame:
        return pl.read_parquet(self.landing.campaigns.plan_path(campaign_id))

    def suppress(self, *entries: tuple[object, str | None, datetime], name: str = "list") -> None:
        path = self.landing.root / f"suppressions/{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame(entries, schema=["phone", "reason", "since_at"], orient="row").write_parquet(path)

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def phones(count: int, start: int = 0) -> list[str]:
    return [f"138{number:08}" for number in range(start, start + count)]


# Dispositions


def test_every_row_has_one_disposition_and_the_messages_come_first(desk: Desk) -> None:
    one, two, three = phones(3)
    desk.suppress((two, "opted_out", AT))

    plan = desk.plan(desk.write(phone=["bad", one, two, f"+86 {one}", None, three]))

    rows = desk.rows().select("input_row", "disposition", "reason", "duplicate_of_row", "phone")
    assert rows.rows() == [
        (1, "planned", None, None, one),
        (5, "planned", None, None, three),
        (0, "invalid", "phone_malformed", None, "bad"),
        (2, "suppressed", "opted_out", None, two),
        (3, "duplicate", "phone_repeated", 1, one),
        (4, "invalid", "phone_missing", None, None),
    ]
    assert plan.disposition_counts == {"invalid": 2, "duplicate": 1, "suppressed": 1, "planned": 2}
    assert plan.reason_counts == [
        ("duplicate", "phone_repeated", 1),
        ("invalid", "phone_malformed", 1),
        ("invalid", "phone_missing", 1),
        ("suppressed", "opted_out", 1),
    ]


def test_the_record_counts_what_the_plan_holds(desk: Desk) -> None:
    plan = desk.plan(
        desk.write(phone=[*phones(5), "bad", phones(1)[0]], content=["【云锋】" + "货" * 70] * 7),
        content=None,
        batch_size=2,
    )

    record = plan.record
    assert (record.row_count, record.message_count, record.segment_count) == (7, 5, 10)
    assert record.planned_batch_count == 3
    assert record.planned_at == AT
    assert not record.has_own_mission_nums


def test_a_duplicate_points_at_the_first_row_that_is_valid(desk: Desk) -> None:
    (phone,) = phones(1)
    path = desk.write(phone=[phone, phone, f"86{phone}", phone], content=["", TEXT, TEXT, TEXT])

    desk.plan(path, content=None)

    found = desk.rows().sort("input_row").select("disposition", "duplicate_of_row").rows()
    assert found == [("invalid", None), ("planned", None), ("duplicate", 1), ("duplicate", 1)]


def test_a_repeated_phone_that_is_suppressed_is_suppressed_once(desk: Desk) -> None:
    one, two = phones(2)
    desk.suppress((one, "opted_out", AT))

    desk.plan(desk.write(phone=[one, one, two]))

    found = desk.rows().sort("input_row").select("disposition", "duplicate_of_row").rows()
    assert found == [("suppressed", None), ("duplicate", 0), ("planned", None)]


def test_a_phone_on_many_lists_is_suppressed_for_its_earliest_reason(desk: Desk) -> None:
    one, two = phones(2)
    desk.suppress((one, "dead_number", AT), (one, "a_later_one", AT.replace(hour=9)), name="1")
    desk.suppress((one, "b", AT.replace(hour=7)), (one, "a", AT.replace(hour=7)), name="2")

    desk.plan(desk.write(phone=[one, two]))

    assert desk.rows().sort("input_row")["reason"].to_list() == ["a", None]


@pytest.mark.parametrize("written", ["+86 138-0000-0000", "8613800000000", 13800000000])
def test_a_listed_phone_is_suppressed_however_the_list_writes_it(desk: Desk, written: object) -> None:
    desk.suppress((written, None, AT))

    desk.plan(desk.write(phone=["13800000000", "13800000001"]))

    assert desk.rows().sort("input_row")["reason"].to_list() == ["listed", None]


def test_a_list_that_can_not_be_read_stops_the_plan(desk: Desk) -> None:
    (desk.landing.root / "suppressions").mkdir(parents=True)
    (desk.landing.root / "suppressions/list.parquet").write_bytes(b"")

    with pytest.raises(InputRefused, match="suppression list can't be read"):
        desk.plan(desk.write(phone=phones(1)))


def test_a_file_of_which_nothing_can_be_sent_is_refused_with_the_reasons(desk: Desk) -> None:
    desk.suppress((phones(1)[0], "opted_out", AT))

    with pytest.raises(InputRefused, match="2 phone_malformed, 1 opted_out"):
        desk.plan(desk.write(phone=["bad", *phones(1), "1"]))
    assert not any(name.endswith(("plan.parquet", "journal.sqlite")) for name in desk.files())


def test_the_owners_columns_are_kept(desk: Desk) -> None:
    desk.plan(desk.write(phone=[*phones(2), "bad"], city=["北京", "上海", None], tier=[1, 2, 3]))

    owner = desk.rows().sort("input_row")["owner"].to_list()
    assert owner == [{"city": "北京", "tier": 1}, {"city": "上海", "tier": 2}, {"city": None, "tier": 3}]


# Numbers


def test_a_position_can_be_read_back_from_both_numbers_of_a_message(desk: Desk) -> None:
    plan = desk.plan(desk.write(phone=phones(50)))
    key = plan.record.campaign_key

    messages = desk.rows().select("message_id", "mission_num").rows()

    assert [divmod(message_id, 1 << POSITION_BITS) for message_id, _ in messages] == [(key, n) for n in range(50)]
    assert [mission_num for _, mission_num in messages] == [f"{key_text(key)}{n:09}" for n in range(50)]


def test_the_largest_numbers_keep_their_shape() -> None:
    key = (1 << 35) - 1

    assert ((key << POSITION_BITS) + MAX_MESSAGES - 1).bit_length() == 63
    assert len(str(MAX_MESSAGES - 1)) <= 9
    assert key_text(key) == "ZZZZZZZ"
    assert key_text(0) == "0000000"
    assert key_text(1) == "0000001"
    assert batch_num(key, 99_999_999) == "ZZZZZZZB99999999"


def test_the_key_is_of_secret_installation_and_campaign() -> None:
    keys = {campaign_key(secret, name, campaign, taken=()) for secret in "st" for name in "ab" for campaign in "xy"}

    assert len(keys) == 8
    assert all(0 <= key < 1 << 35 for key in keys)


def test_two_data_folders_never_share_numbers(tmp_path: Path) -> None:
    """Both are of the default installation and have a campaign of one name."""
    one, other = Desk(tmp_path / "one"), Desk(tmp_path / "other")
    keys = {desk.plan(desk.write(phone=phones(2))).record.campaign_key for desk in (one, other)}

    assert len(keys) == 2
    assert one.landing.number_key() != other.landing.number_key()
    assert one.landing.number_key_path.stat().st_mode & 0o777 == 0o600
    assert one.plan(one.write(phone=phones(2))).record.has_secret_key


def test_a_dry_run_makes_no_secret(desk: Desk) -> None:
    desk.plan(desk.write(phone=phones(2)), is_dry_run=True)

    assert not desk.landing.number_key_path.exists()


def test_a_key_that_another_campaign_has_is_salted(desk: Desk) -> None:
    path = desk.write(phone=phones(2))
    desk.landing.number_key()
    plain = desk.plan(path, is_dry_run=True).record
    with Journal.open(desk.landing.journal_path) as journal:
        journal.register(replace(plain, campaign_id="summer", input_sha256="another"))

    salted = desk.plan(path).record

    assert salted.campaign_key != plain.campaign_key
    assert desk.rows()["mission_num"][0].startswith(key_text(salted.campaign_key))


def test_a_key_that_is_taken_while_planning_is_salted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    path = desk.write(phone=phones(2), mission_num=["a", "b"])
    register = Journal.register
    other_keys = []

    def after_another(journal: Journal, record: object) -> None:
        if not other_keys:
            other_keys.append(record.campaign_key)
            register(journal, replace(record, campaign_id="summer", input_sha256="another"))
            desk.landing.campaigns.plan_path("summer").parent.mkdir(parents=True)
            pl.DataFrame({"message_id": [1], "mission_num": ["z"]}).write_parquet(
                desk.landing.campaigns.plan_path("summer")
            )
        register(journal, record)

    monkeypatch.setattr(Journal, "register", after_another)

    plan = desk.plan(path)

    assert [plan.record.campaign_key] != other_keys
    assert desk.rows()["message_id"][0] >> POSITION_BITS == plan.record.campaign_key


def test_own_mission_nums_are_honoured(desk: Desk) -> None:
    plan = desk.plan(desk.write(phone=[*phones(3), phones(1)[0]], mission_num=["order_1", "x-", "z" * 32, "order_1"]))

    rows = desk.rows().sort("input_row").select("disposition", "reason", "mission_num").rows()
    assert plan.record.has_own_mission_nums
    assert rows == [
        ("planned", None, "order_1"),
        ("invalid", "mission_num_malformed", "x-"),
        ("planned", None, "z" * 32),
        ("duplicate", "phone_repeated", "order_1"),
    ]


def test_a_mission_num_that_another_campaign_sent_is_refused_by_row(desk: Desk) -> None:
    desk.plan(
        desk.write(phone=["bad", *phones(2)], mission_num=["never_sent", "a", "b"], city=["x", "y", "z"]), "first"
    )
    desk.plan(desk.write("plain.parquet", phone=phones(1), tier=[1]), "second")

    reused = desk.write("again.parquet", phone=["bad", *phones(3)], mission_num=["a", "c", "never_sent", "b"])
    with pytest.raises(InputRefused, match=r"again\.parquet: row 3, column 'mission_num'"):
        desk.plan(reused, "third")
    derived = desk.rows("second")["mission_num"].to_list()
    with pytest.raises(InputRefused, match="row 0, column 'mission_num'"):
        desk.plan(desk.write("derived.parquet", phone=phones(1), mission_num=derived), "third")
    assert not desk.landing.campaigns.plan_path("third").exists()


def test_a_planner_that_died_before_registering_does_not_count_as_another_campaign(desk: Desk) -> None:
    path = desk.write(phone=phones(2), mission_num=["a", "b"])
    desk.plan(path)
    desk.landing.journal_path.unlink()

    assert desk.plan(path).record.message_count == 2


# Batches


def batches(desk: Desk) -> list[pl.DataFrame]:
    messages = desk.rows().filter(pl.col("message_id").is_not_null())
    return messages.partition_by("planned_batch", maintain_order=True)


def test_messages_of_one_text_are_cut_into_full_batches_and_a_rest(desk: Desk) -> None:
    desk.plan(desk.write(phone=[*phones(25), "bad"]), batch_size=10)

    assert [batch.height for batch in batches(desk)] == [10, 10, 5]
    assert desk.rows()["planned_batch"].to_list() == [0] * 10 + [1] * 10 + [2] * 5 + [None]


def test_a_batch_has_one_text_and_one_extra_num_and_groups_keep_the_order_of_the_file(desk: Desk) -> None:
    other = "【云锋】another"
    desk.plan(
        desk.write(
            phone=phones(7),
            content=[TEXT, other, TEXT, TEXT, TEXT, other, TEXT],
            extra_num=["1", None, "1", None, "1", None, "2"],
        ),
        content=None,
        batch_size=2,
    )

    assert [batch["input_row"].to_list() for batch in batches(desk)] == [[0, 2], [4], [1, 5], [3], [6]]


def test_messages_of_a_text_keep_the_order_of_the_file_however_many_they_are(desk: Desk) -> None:
    count = 20_000
    desk.plan(desk.write(phone=phones(count), content=[f"【云锋】{n % 3}" for n in range(count)]), content=None)

    assert desk.rows()["input_row"].to_list() == [n for text in range(3) for n in range(text, count, 3)]


def test_different_texts_of_a_template_share_a_batch(desk: Desk) -> None:
    texts = [f"【云锋】{name}，您的订单已发货" for name in "甲乙丙丁戊"]
    desk.plan(desk.write(phone=phones(5), content=texts), content=None, template_id="t1", batch_size=3)

    assert [batch["input_row"].to_list() for batch in batches(desk)] == [[0, 1, 2], [3, 4]]


def test_different_texts_without_a_template_go_in_one_request_each(desk: Desk) -> None:
    desk.plan(desk.write(phone=phones(3), content=[f"【云锋】{n}" for n in range(3)]), content=None)

    assert [batch.height for batch in batches(desk)] == [1, 1, 1]


def test_two_templates_and_none_are_three_kinds_of_batches(desk: Desk) -> None:
    desk.plan(desk.write(phone=phones(5), content=[TEXT] * 5, template_id=["t1", None, "t2", "t1", ""]), content=None)

    assert [batch["input_row"].to_list() for batch in batches(desk)] == [[0, 3], [1, 4], [2]]


# The plan is a file


def test_a_plan_made_twice_is_the_same_bytes(desk: Desk, tmp_path: Path) -> None:
    columns = {
        "phone": [*phones(3000), *phones(50), "bad"],
        "content": [f"【云锋】{n % 7}" for n in range(3051)],
        "city": ["北京", "上海", None] * 1017,
    }
    again = Desk(tmp_path / "again")
    again.landing.choose_number_key(desk.landing.number_key())
    for each in (desk, again):
        each.suppress(*((phone, "opted_out", AT) for phone in phones(100, start=200)))
        each.plan(each.write(**columns), content=None, batch_size=70)

    assert (
        desk.landing.campaigns.plan_path("spring").read_bytes()
        == again.landing.campaigns.plan_path("spring").read_bytes()
    )


def test_the_same_input_again_is_the_same_plan_even_under_other_settings(desk: Desk) -> None:
    first = desk.plan(desk.write(phone=phones(10)), batch_size=5)
    before = desk.landing.campaigns.plan_path("spring").stat()
    desk.suppress((phones(1)[0], "opted_out", AT))

    again = desk.plan(desk.write("renamed.parquet", phone=phones(10)), batch_size=3)

    assert again == first
    after = desk.landing.campaigns.plan_path("spring").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize(
    "another",
    [
        pytest.param(lambda desk: desk.plan(desk.write("b.parquet", phone=phones(3))), id="file"),
        pytest.param(lambda desk: desk.plan(desk.root / "in.parquet", content=TEXT + "。"), id="text"),
        pytest.param(lambda desk: desk.plan(desk.root / "in.parquet", content=TEXT, template_id="t"), id="template"),
        pytest.param(lambda desk: desk.plan(desk.write("b.parquet", phone=phones(3)), is_dry_run=True), id="dry run"),
    ],
)
def test_the_same_campaign_with_another_input_is_refused(desk: Desk, another: Callable[[Desk], Plan]) -> None:
    desk.plan(desk.write(phone=phones(2)))

    with pytest.raises(InputRefused, match="choose another campaign id"):
        another(desk)
    assert desk.rows().height == 2


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-9])])
def test_a_lost_or_damaged_plan_is_an_error_and_never_made_again(desk: Desk, damage: Callable[[Path], object]) -> None:
    source = desk.write(phone=phones(2))
    desk.plan(source)
    damage(desk.landing.campaigns.plan_path("spring"))

    with pytest.raises(BooksError, match="restore it from a backup"):
        desk.plan(source)


def test_a_dry_run_counts_the_same_and_writes_nothing(desk: Desk) -> None:
    path = desk.write(phone=[*phones(3), "bad"])
    before = desk.files()

    dry = desk.plan(path, is_dry_run=True)

    assert desk.files() == before
    assert not desk.landing.root.exists()
    assert dry.path is None
    plan = desk.plan(path)
    assert dry.record == replace(plan.record, campaign_key=dry.record.campaign_key)
    assert replace(dry, path=plan.path, record=plan.record) == plan


def test_a_refused_input_leaves_nothing_behind(desk: Desk) -> None:
    path = desk.write(phone=phones(2), mission_num=[["nested"], []])
    before = desk.files()

    with pytest.raises(InputRefused):
        desk.plan(path)

    assert desk.files() == before


def test_a_plan_that_can_not_be_written_leaves_no_part_and_no_campaign(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    path = desk.write(phone=phones(2))
    make_folder(desk.landing.campaigns.plan_path("spring").parent)
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        desk.plan(path)
    monkeypatch.undo()

    assert desk.files() == ["in.parquet"]
    assert desk.plan(path).record.message_count == 2


def test_the_plan_is_its_owners_only(desk: Desk) -> None:
    desk.plan(desk.write(phone=phones(1)))

    assert desk.landing.campaigns.plan_path("spring").stat().st_mode & 0o777 == 0o600
    assert desk.landing.campaigns.plan_path("spring").parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("campaign_id", ["", "Spring", "-spring", "spring/1", "..", "a" * 41, "春", "a\n", "a b"])
def test_a_malformed_campaign_id_is_a_usage_error(desk: Desk, campaign_id: str) -> None:
    with pytest.raises(UsageError, match="is not a campaign id"):
        desk.plan(desk.write(phone=phones(1)), campaign_id)


@pytest.mark.parametrize("campaign_id", ["a", "0", "spring-2026", "a" * 40])
def test_a_campaign_id_is_up_to_40_small_letters_digits_and_dashes(desk: Desk, campaign_id: str) -> None:
    assert desk.plan(desk.write(phone=phones(1)), campaign_id).record.campaign_id == campaign_id


# Reading for a sender


def test_a_sender_reads_any_range_of_positions_across_row_groups(desk: Desk) -> None:
    count = ROW_GROUP * 4 + 5
    desk.plan(desk.write(phone=phones(count)))
    file = PlanFile(desk.landing.campaigns.plan_path("spring"))

    for first, last in (
        (0, 0),
        (ROW_GROUP - 2, ROW_GROUP + 1),
        (count - 3, count - 1),
        (5, 7),
        (ROW_GROUP * 2, ROW_GROUP * 3),
    ):
        assert file.messages(first, last)["phone"].to_list() == phones(last - first + 1, start=first)


def test_a_sender_knows_the_planned_batches_and_the_segments_of_a_range(desk: Desk) -> None:
    texts = [TEXT, "【云锋】" + "货" * 100] * 3
    desk.plan(desk.write(phone=[*phones(6), "bad"], content=[*texts, "x"]), content=None, batch_size=2)
    file = PlanFile(desk.landing.campaigns.plan_path("spring"))

    assert file.batches() == [(0, 0, 1), (1, 2, 2), (2, 3, 4), (3, 5, 5)]
    assert file.segment_count([(0, 5)]) == 9
    assert file.segment_count([(0, 0), (2, 3)]) == 4
    assert file.segment_count([]) == 0


def test_the_first_texts_are_shown_each_once_and_never_in_a_repr(desk: Desk) -> None:
    path = desk.write(phone=phones(5), content=[CANARY_TEXT, TEXT, CANARY_TEXT, TEXT, TEXT])

    plan = desk.plan(path, content=None)

    assert plan.first_texts == [CANARY_TEXT, TEXT]
    assert CANARY_TEXT not in repr(plan)


# Personal data


def refused_ways(desk: Desk) -> list[Callable[[], Plan]]:
    """All refusals of a file that holds a known person."""
    phone, text = CANARY_PHONE, CANARY_TEXT
    desk.plan(desk.write("taken.parquet", phone=[phone], content=[text], mission_num=[phone]), "taken", content=None)
    parts = {"1": {"phone": [phone], "x": [text]}, "2": {"phone": [phone], "x": [[text]]}, "3": {"phone": [phone]}}
    for name, columns in parts.items():
        desk.write(f"types/{name}.parquet" if name != "3" else "columns/3.parquet", **columns)
    desk.write("columns/1.parquet", **parts["1"])
    reused = desk.write("reused.parquet", phone=["13800000000"], mission_num=[phone])
    return [
        lambda: desk.plan(desk.root / "taken.parquet", "taken", content=text),
        lambda: desk.plan(desk.write("a.parquet", phone=[phone, phone], content=[text[5:], ""]), content=None),
        lambda: desk.plan(desk.write("b.parquet", phone=[[phone]])),
        lambda: desk.plan(desk.write("c.parquet", **{phone: [text], text: [phone]})),
        lambda: desk.plan(desk.write("d.parquet", phone=[phone], content=[text])),
        lambda: desk.plan(desk.write("e.parquet", phone=[phone]), content=text[5:]),
        lambda: desk.plan(desk.write("f.parquet", phone=[phone]), content=text * 50),
        lambda: desk.plan(desk.write("g.parquet", phone=[phone]), content=None),
        lambda: desk.plan(desk.write("h.parquet", phone=[f"{phone}0"], extra_num=[phone])),
        lambda: desk.plan(desk.root / "types"),
        lambda: desk.plan(desk.root / "columns"),
        lambda: desk.plan(reused),
    ]


def test_no_refusal_shows_a_phone_or_a_text(desk: Desk) -> None:
    for plan_it in refused_ways(desk):
        with pytest.raises(SmsreconError) as refused:
            plan_it()
        shown = "".join((str(refused.value), repr(refused.value), *map(str, refused.value.args)))
        assert CANARY_PHONE not in shown
        assert "canary" not in shown
        assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_a_database_error_other_than_a_taken_key_is_not_hidden(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(journal: Journal, record: object) -> None:
        raise OperationalError("INSERT", None, sqlite3.OperationalError("database is locked"))

    monkeypatch.setattr(Journal, "register", locked)

    with pytest.raises(OperationalError):
        desk.plan(desk.write(phone=phones(1)))

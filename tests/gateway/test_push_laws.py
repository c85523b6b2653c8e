"""Laws of pushes: every record of both kinds is read, in any arrangement, and editing meets the record it is told."""

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from pipelines.gateway.push import edited, read_pushes

HEAD = "<head><app_key>k</app_key><time_stamp>20261129080000</time_stamp></head>"
REPORT_LISTS = (
    "<records>{}</records>",
    "<list>{}</list>",
    "<data><total>9</total><rows>{}</rows></data>",
    "<other>{}</other>",
)

numbers = st.integers(0, 3)
pushes = st.tuples(numbers, numbers, st.sampled_from(REPORT_LISTS), st.booleans(), st.sampled_from(["", "<dest/>"]))


def push_of(reports: int, replies: int, report_list: str, replies_first: bool, empty: str) -> bytes:
    """A push whose records are numbered in their phones, reports first."""
    written = [
        f"<record><mission_num>m{number}</mission_num><dest_id>{number}</dest_id></record>" for number in range(reports)
    ]
    told = [f"<dest><src_id>{reports + number}</src_id><content>TD</content></dest>" for number in range(replies)]
    parts = [report_list.format("".join(written)) if written else "", "".join(told) or empty]
    return f"<xml>{HEAD}<body><x/>{''.join(reversed(parts) if replies_first else parts)}</body></xml>".encode()


def phones(body: bytes) -> list[str | None]:
    read = read_pushes([body])
    places = [*read.reports.place, *read.replies.place]
    assert places == sorted(places)
    return [*read.reports.columns["phone"], *read.replies.columns["phone"]]


@given(pushes)
def test_both_kinds_are_read_in_any_arrangement(push: tuple[int, int, str, bool, str]) -> None:
    reports, replies, *_ = push
    assert phones(push_of(*push)) == [str(number) for number in range(reports + replies)]


@given(pushes, st.data())
def test_a_record_is_edited_at_its_place(push: tuple[int, int, str, bool, str], data: st.DataObject) -> None:
    reports, replies, *_ = push
    if not reports + replies:
        return
    gone = data.draw(st.sets(st.integers(0, reports + replies - 1)))
    seen: list[str] = []

    def edit(record: etree._Element, place: int) -> bool:
        seen.append(record.findtext("src_id") or record.findtext("dest_id") or "")
        return place not in gone

    left = edited(push_of(*push), edit)

    assert seen == [str(number) for number in range(reports + replies)]
    assert phones(left) == [str(number) for number in range(reports + replies) if number not in gone]


@given(st.sampled_from(REPORT_LISTS))
def test_a_list_without_records_has_none(report_list: str) -> None:
    assert phones(f"<xml>{HEAD}<body>{report_list.format('')}</body></xml>".encode()) == []

"""Laws of pushes: every record of both kinds is read, in any arrangement, and editing meets the record it is told."""

import re
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from pipelines.gateway.push import edited, read_pushes
from pipelines.gateway.usual_push import UsualPushes, read_usual
from tests.support.depth import cases
from tests.support.endpoint import REPORT

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


SPECIAL = (
    "", " ", "\u3000x\u00a0", "\t", "\n", "\r", "\r\n", "\x00", "\x01", "\x1c1\x1f", "\x7f", "\x85",
    "\ufffe", "\uffff", "\ufffd", "\U0001f600", "\U0001ffff", "\ufeff", "]]>", ">", "<", "&", "&amp;", "&#13;", "&lt;",
    "<b/>", "<!-- c -->", "<![CDATA[x]]>", "<?p q?>", "<!DOCTYPE xml>", '<?xml version="1.0"?>',
    '<?xml version="1.0" encoding="GBK"?>', '<?xml version="1.0" encoding="utf-8"?>',
    "<dest><content>TD</content></dest>", "<mission_num>7</mission_num>", "<records/>", "<record/>",
    "<list><record><dest_id>1</dest_id></record></list>",
    "</record><record>", "</xml><xml>",
)  # fmt: skip


@st.composite
def changed_reports(draw: st.DrawFn) -> bytes:
    """The vendor's push with some texts changed, and some parts inserted, exchanged, removed or repeated."""
    parts = re.split("(<[^>]*>)", REPORT.decode())
    place = st.integers(0, len(parts) - 1)
    values = st.sampled_from([at for at, part in enumerate(parts) if part.strip() and not part.startswith("<")])
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2]))):
        at, middle = draw(values), draw(st.integers(0, 6))
        parts[at] = parts[at][:middle] + draw(st.sampled_from(SPECIAL) | st.characters()) + parts[at][middle:]
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 1, 2]))):
        at = draw(place)
        match draw(st.sampled_from(["insert", "exchange", "remove", "repeat"])):
            case "insert":
                parts.insert(at, draw(st.sampled_from(SPECIAL) | st.text(max_size=5)))
            case "exchange":
                other = draw(place)
                parts[at], parts[other] = parts[other], parts[at]
            case "remove":
                parts[at] = ""
            case "repeat":
                parts[at:at] = parts[at : at + draw(st.integers(1, 6))]
    body = "".join(parts).encode(errors="surrogatepass")
    return draw(st.sampled_from([body, body, body, body + b"\xff", b"\xef\xbb\xbf" + body]))


@given(st.lists(changed_reports() | pushes.map(lambda push: push_of(*push)) | st.binary(max_size=9), max_size=5))
@settings(max_examples=cases(fast=300, deep=5000))
def test_the_usual_pushes_are_read_together_as_each_is_read_as_xml(bodies: list[bytes]) -> None:
    together = read_pushes(bodies)
    with mock.patch("pipelines.gateway.push.read_usual", lambda all_: UsualPushes([], {}, [*range(len(all_))])):
        as_xml = read_pushes(bodies)

    for one, other in ((together.reports, as_xml.reports), (together.replies, as_xml.replies)):
        assert (one.columns, one.extra, one.push, one.place) == (other.columns, other.extra, other.push, other.place)
        assert [one.raw(row) for row in range(len(one.push))] == [other.raw(row) for row in range(len(one.push))]
    assert together.faults == as_xml.faults


def test_the_vendors_push_is_usual() -> None:
    assert read_usual([REPORT, b"", REPORT + b"\n", b"<xml/>", b"\xff", REPORT + b"\0"]).pushes == [0, 2]


@given(st.sampled_from(REPORT_LISTS))
def test_a_list_without_records_has_none(report_list: str) -> None:
    assert phones(f"<xml>{HEAD}<body>{report_list.format('')}</body></xml>".encode()) == []

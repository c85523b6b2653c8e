"""Laws of the decoder: records encoded in any shape come back, and only UnreadableAnswer is raised."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from xml.sax.saxutils import escape

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from pipelines.gateway.wire import Answer, Records, UnreadableAnswer, read_answer, read_replies, read_reports

REPORT = {
    "mission_num": ("missionNum", "mission_num"),
    "phone": ("destId", "dest_id"),
    "send_status": ("sendStatus", "send_status"),
    "receive_status": ("receiveStatus", "receive_status"),
    "code": ("receiveRealStatus", "receive_real_status"),
    "batch_num": ("batchNum", "batch_num"),
    "stat_time": ("statTime", "stat_time"),
}
REPLY = {
    "phone": ("srcId", "src_id"),
    "content": ("content", "content"),
    "access_num": ("destId", "dest_id"),
    "mo_time": ("moTime", "mo_time"),
}
SHARED_MACHINE = settings(suppress_health_check=[HealthCheck.too_slow])
READERS = {"reports": (read_reports, REPORT), "replies": (read_replies, REPLY)}

# Characters that XML 1.0 can carry: no surrogates, no controls, no noncharacters.
texts = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")), max_size=12)
kinds = st.sampled_from(sorted(READERS))
formats = st.sampled_from(["json", "xml"])
lists = st.sampled_from(["records", "data", "list", "reports"])


@st.composite
def worlds(draw: st.DrawFn) -> tuple[str, list[dict[str, str]], list[dict[str, str]]]:
    """A kind of record, some records by column, and the unknown fields beside each."""
    kind = draw(kinds)
    columns = st.fixed_dictionaries({}, optional=dict.fromkeys(READERS[kind][1], texts))
    unknown = st.fixed_dictionaries({}, optional={"fee": texts, "province": texts})
    pairs = draw(st.lists(st.tuples(columns, unknown), max_size=5))
    return kind, [known for known, _ in pairs], [extra for _, extra in pairs]


@dataclass(frozen=True)
class Shape:
    """One possible form of an answer."""

    list_name: str
    is_snake: bool
    format: str
    is_nested: bool
    is_ascii: bool
    encoding: str


shapes = st.builds(
    Shape,
    list_name=lists,
    is_snake=st.booleans(),
    format=formats,
    is_nested=st.booleans(),
    is_ascii=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "gb18030"]),
)


def as_json(records: list[dict[str, str]], shape: Shape) -> str:
    inner: object = {"list": records, "total": len(records)} if shape.is_nested else records
    answer = {"errorCode": "000000", "errorMsg": "获取成功", shape.list_name: inner}
    return json.dumps(answer, ensure_ascii=shape.is_ascii)


def as_xml(records: list[dict[str, str]], name: str) -> str:
    inner = "".join(
        "<record>" + "".join(f"<{field}>{escape(value)}</{field}>" for field, value in record.items()) + "</record>"
        for record in records
    )
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<xml><errorCode>000000</errorCode><errorMsg>获取成功</errorMsg>'
    return f"{head}<{name}>{inner}</{name}></xml>"


@given(world=worlds(), shape=shapes, asked=formats)
@SHARED_MACHINE
def test_records_encoded_in_any_shape_come_back(
    world: tuple[str, list[dict[str, str]], list[dict[str, str]]], shape: Shape, asked: str
) -> None:
    kind, known, unknown = world
    read, spelling = READERS[kind]
    records = [
        {spelling[column][shape.is_snake]: value for column, value in record.items()} | extra
        for record, extra in zip(known, unknown, strict=True)
    ]
    assume(shape.format == "json" or all(records))  # an XML record without a field has no JSON text of its own
    text = as_json(records, shape) if shape.format == "json" else as_xml(records, shape.list_name)
    body = text.encode(shape.encoding)
    assume(shape.encoding != "gb18030" or not is_utf8(body) or body == text.encode())

    answer = read(body, asked)

    assert (answer.error_code, answer.error_msg) == ("000000", "获取成功")
    assert answer.columns == {
        column: [record[column].strip() if column in record else None for record in known] for column in spelling
    }
    assert [json.loads(extra) if extra is not None else {} for extra in answer.extra] == unknown
    assert [json.loads(answer.raw(position)) for position in range(answer.record_count)] == records


def is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


# The 3755 characters of everyday Chinese: the first level of GB 2312.
everyday = st.integers(0, 3754).map(lambda n: bytes((0xB0 + n // 94, 0xA1 + n % 94)).decode("gb2312"))
messages = st.text(everyday | st.sampled_from("TD ,。!1👍"), min_size=1, max_size=12)


bad_bytes = st.just(b"") | st.binary(min_size=1, max_size=1).filter(lambda sent: sent >= b"\x80" or sent.isalnum())


@given(
    texts=st.tuples(st.lists(messages, max_size=3), messages, st.lists(messages, max_size=3)),
    place=st.integers(0, 99),
    bad_byte=bad_bytes,
    encoding=st.sampled_from(["utf-8", "gb18030"]),
    form=formats,
)
@SHARED_MACHINE
def test_one_bad_byte_costs_no_other_text_than_its_own(
    texts: tuple[list[str], str, list[str]], place: int, bad_byte: bytes, encoding: str, form: str
) -> None:
    before, hit, after = texts
    sent = hit.encode(encoding)
    at = place % len(sent)
    changed = sent[:at] + bad_byte + sent[at + 1 :]

    replies = read_replies(around(before, after, form).encode(encoding).replace(b"HIT", changed), form)

    assert replies.error_msg == "获取成功"
    assert others(replies, len(before)) == [text.strip() for text in before + after]


def around(before: list[str], after: list[str], form: str) -> str:
    """An answer with replies of these texts, and HIT between them."""
    records = [{"content": text} for text in (*before, "HIT", *after)]
    if form == "xml":
        return as_xml(records, "list")
    return json.dumps({"errorCode": "000000", "errorMsg": "获取成功", "list": records}, ensure_ascii=False)


def others(replies: Records, hit: int) -> list[str | None]:
    """The texts of all replies but one."""
    texts = replies.columns["content"]
    return texts[:hit] + texts[hit + 1 :]


spoilt = st.lists(
    st.sampled_from(
        ["&", "<", "< ", "<3", "]]>", "&nbsp;", "&#55357;", "&#56397;", "&#x0;", "&#7;", "&x;", "\x00", "\x1f"]
    )
    | st.sampled_from(["&#55357;&#56397;", "&amp;", "<![CDATA[<&]]>", "\uffff", "&#99999999;", "&#", "&;"])
    | messages,
    max_size=8,
).map("".join)


@given(
    before=st.lists(messages, max_size=3),
    after=st.lists(messages, max_size=3),
    bad=spoilt,
    encoding=st.sampled_from(["utf-8", "gb18030"]),
)
@SHARED_MACHINE
def test_bad_characters_of_xml_cost_no_other_text_than_their_own(
    before: list[str], after: list[str], bad: str, encoding: str
) -> None:
    body = around(before, after, "xml").replace("HIT", bad)

    replies = read_replies(body.encode(encoding), "xml")

    assert others(replies, len(before)) == [text.strip() for text in before + after]


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["records", "data", "list", "missionNum", "dest_id", "content", "x"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
answers = st.builds(
    lambda code, rest: json.dumps({"errorCode": code} | rest).encode(errors="surrogatepass"),
    st.sampled_from(["000000", "100003", 0]),
    st.dictionaries(
        st.sampled_from(["records", "data", "list", "reports", "count", "missionNum", "y"]), trees, max_size=3
    ),
)
fragments = st.lists(
    st.sampled_from(
        [
            b"<xml>",
            b"</xml>",
            b"<records>",
            b"</records>",
            b"<record/>",
            b"<errorCode>000000</errorCode>",
            b"&amp;",
            b"x",
        ]
    ),
    max_size=12,
).map(b"".join)


def raises_only_unreadable(read: Callable[..., Answer | Records], body: bytes, asked: str) -> Answer | Records | None:
    try:
        return read(body, asked)
    except UnreadableAnswer:
        return None


@given(body=st.binary(max_size=60) | answers | fragments | answers.map(lambda body: body[:-1]), asked=formats)
@example(body=b"\xef\xbb\xbf\xff{", asked="json")
@example(body=b'{"errorCode":"000000","records":[{"missionNum":NaN}]}', asked="json")
@example(body="{}".encode("utf-16"), asked="xml")
@SHARED_MACHINE
def test_any_bytes_give_an_answer_or_are_unreadable(body: bytes, asked: str) -> None:
    raises_only_unreadable(read_answer, body, asked)
    for read in (read_reports, read_replies):
        records = raises_only_unreadable(read, body, asked)
        if isinstance(records, Records):
            assert {len(values) for values in records.columns.values()} == {records.record_count}
            for position in range(records.record_count):
                json.loads(records.raw(position))

"""Examples of answers that the decoder reads, and of bytes that it refuses."""

import json

import pytest

from pipelines.gateway.wire import Answer, Records, UnreadableAnswer, read_answer, read_replies, read_reports

PHONE = "13800138000"
REPORT_COLUMNS = ["mission_num", "phone", "send_status", "receive_status", "code", "batch_num", "stat_time"]


def reports(records: str) -> Records:
    """The reports of a JSON answer with these records."""
    return read_reports(('{"errorCode":"000000","errorMsg":"获取成功",' + records + "}").encode(), "json")


XML_ANSWER = "<r><errorCode> 100014 </errorCode><errorMsg>访问过快</errorMsg></r>"

# ── The head ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_vendors_answers_are_read_in_both_formats() -> None:
    xml = (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
        "<xml> <errorCode>000000</errorCode> <errorMsg>获取成功</errorMsg> <count>100</count> </xml>"
    )
    json = '{"count":100,"errorCode":"000000","errorMsg":"获取成功"}'
    expected = Answer("000000", "获取成功", 100)
    assert read_answer(json.encode(), "json") == expected
    assert read_answer(xml.encode(), "xml") == expected


@pytest.mark.parametrize("asked", ["json", "xml"])
def test_an_answer_in_the_other_format_than_asked_for_is_read(asked: str) -> None:
    for body in (b'{"errorCode":"100003"}', b"<xml><error_code>100003</error_code></xml>"):
        assert read_answer(body, asked) == Answer("100003", "", None)


@pytest.mark.parametrize(
    "body",
    [
        '\ufeff{"errorCode":"100014","errorMsg":"访问过快"}'.encode(),
        ' \r\n{"errorCode":"100014","errorMsg":"访问过快"}\n'.encode(),
        '{"errorCode":"100014","errorMsg":"访问过快"}'.encode("gbk"),
        '{"error_code": 100014, "error_msg": " 访问过快 "}'.encode(),
        ('<?xml version="1.0" encoding="UTF-8"?>' + XML_ANSWER).encode("gbk"),
        ('<?xml version="1.0" encoding="GBK"?>' + XML_ANSWER).encode("gbk"),
        ('<?xml version="1.0" encoding="GBK"?>' + XML_ANSWER).encode(),
        ("\ufeff\n<!-- x -->" + XML_ANSWER.replace("访问过快", "<?x y?><![CDATA[访问过快]]>")).encode(),
    ],
)
def test_bom_blanks_gbk_and_false_declarations_do_not_matter(body: bytes) -> None:
    assert read_answer(body, "json") == Answer("100014", "访问过快", None)


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        ("100", 100),
        ('"100"', 100),
        ('" 7 "', 7),
        ("-3", -3),
        ("1.5", None),
        ('"many"', None),
        ("null", None),
        ("[1]", None),
    ],
)
def test_the_balance_is_a_whole_number_or_unknown(count: str, expected: int | None) -> None:
    assert read_answer(b'{"errorCode":"000000","count":' + count.encode() + b"}", "json").count == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"\xef\xbb\xbf",
        b"\x00\xff",
        b"null",
        b"[]",
        b'"000000"',
        b'{"err"rCode":"000000","errorMsg":"ok"}',  # the vendor's own sample
        b'{"errorMsg":"ok"}',
        b'{"errorCode":null}',
        b'{"errorCode":""}',
        b'{"errorCode":true}',
        b'{"errorCode":["000000"]}',
        b'{"errorCode":"13800138000"}',  # codes are shown to people, so a phone must not pass as one
        b'{"errorCode":"100003 \\u001b[31mto: x"}',
        b'{"errorCode":' + b"9" * 2000 + b"}",
        b'[{"errorCode":"000000"}]',
        b'{"errorCode":"000000","errorMsg":"cut',
        b"<xml><errorCode>000000</errorCode>",
        b"<html><body><h1>502 Bad Gateway</h1></body></html>",
        b"<html><body><hr>nginx</body></html>",
        b'<!DOCTYPE x [<!ENTITY a "000000">]><x><errorCode>&a;</errorCode></x>',
        b'<!DOCTYPE x SYSTEM "file:///etc/hostname"><x><errorCode>000000</errorCode></x>',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"<a>" * 100_000,
    ],
)
@pytest.mark.parametrize("asked", ["json", "xml"])
def test_bytes_that_are_not_an_answer_are_unreadable(body: bytes, asked: str) -> None:
    for read in (read_answer, read_reports, read_replies):
        with pytest.raises(UnreadableAnswer):
            read(body, asked)


@pytest.mark.parametrize("field", ["missionNum", "surprise"])
def test_every_depth_of_nesting_is_read_or_refused(field: str) -> None:
    """Some depths can be read but not written."""
    outcomes = set()
    for depth in range(500, 1200):
        body = f'{{"errorCode":"000000","list":[{{"{field}":{"[" * depth}{"]" * depth}}}]}}'
        try:
            outcomes.add(read_reports(body.encode(), "json").record_count)
        except UnreadableAnswer as error:
            outcomes.add(str(error).partition(" ")[2])
    assert outcomes >= {1, "answer is nested too deeply"}


STUFFED = {
    "numbers": b'{"errorCode":"000000","records":[' + b"0," * 600_000 + b"0]}",
    "lists": b'{"errorCode":"000000","records":[' + b"[[]]," * 300_000 + b"0]}",
    "elements": b"<xml><errorCode>000000</errorCode><records>" + b"<a/>" * 300_000 + b"</records></xml>",
    "attributes": b"<xml><errorCode>000000</errorCode><a>" + b'<a b="" c="" d=""/>' * 60_000 + b"</a></xml>",
}


@pytest.mark.parametrize("name", STUFFED)
def test_a_value_bomb_is_refused_before_its_tree_fills_the_memory(name: str) -> None:
    with pytest.raises(UnreadableAnswer, match="holds more values"):
        read_reports(STUFFED[name], "json")


def test_a_large_answer_of_records_too_short_for_a_phone_is_refused() -> None:
    body = b'{"errorCode":"000000","records":[' + b'"a text of 20 bytes",' * 60_000 + b"0]}"
    with pytest.raises(UnreadableAnswer, match="holds 60001 records"):
        read_reports(body, "json")


@pytest.mark.parametrize("form", ["json", "xml"])
def test_a_large_answer_of_the_shortest_records_is_read(form: str) -> None:
    record, head, tail, glue = {
        "json": ('{"srcId":"8613800138000","content":"T"}', '{"errorCode":"000000","list":[', "]}", ","),
        "xml": (
            "<r><srcId>8613800138000</srcId><content/></r>",
            "<x><errorCode>000000</errorCode><list>",
            "</list></x>",
            "",
        ),
    }[form]
    body = (head + glue.join([record] * 30_000) + tail).encode()
    assert len(body) > 2**20
    assert read_replies(body, "json").record_count == 30_000


def test_an_entity_bomb_is_refused_without_being_expanded() -> None:
    levels = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE x [<!ENTITY a0 "ha">{levels}]><x><errorCode>&a11;</errorCode></x>'
    with pytest.raises(UnreadableAnswer):
        read_answer(bomb.encode(), "xml")


def test_the_error_quotes_nothing_of_the_answer() -> None:
    for body in (f'{{"phone":"{PHONE}"}}', f'{{"{PHONE}', f'{{"errorCode":"000000","{PHONE}":["{PHONE}"]}}'):
        with pytest.raises(UnreadableAnswer) as caught:
            read_reports(body.encode(), "json")
        assert PHONE not in str(caught.value)


# ── The records ───────────────────────────────────────────────────────────────────────────────────────────────────────

RECORD = (
    '{"missionNum":"m1","destId":"13800138000","sendStatus":"SUCCESS","receiveStatus":"FAIL",'
    '"receiveRealStatus":"MK:0001","batchNum":" b1","statTime":"2017-04-21 22:42:22"}'
)
COLUMNS = {
    "mission_num": ["m1"],
    "phone": [PHONE],
    "send_status": ["SUCCESS"],
    "receive_status": ["FAIL"],
    "code": ["MK:0001"],
    "batch_num": ["b1"],
    "stat_time": ["2017-04-21 22:42:22"],
}


@pytest.mark.parametrize("name", ["records", "data", "list", "reports"])
@pytest.mark.parametrize(
    "shape",
    ["[R]", "R", '{"list":[R]}', '{"records":R}', '{"list":[R],"total":1}', '{"record":[R]}', '{"rows":[R]}'],
)
def test_the_list_is_found_under_every_name_and_shape(name: str, shape: str) -> None:
    answer = reports(f'"{name}":{shape.replace("R", RECORD) if shape != "R" else RECORD}')
    assert answer.columns == COLUMNS
    assert answer.extra == [None]
    assert answer.raw(0) == RECORD


@pytest.mark.parametrize("nothing", ["null", "[]", "{}", '""', '{"list":[]}', '{"list":null,"total":0}'])
def test_an_empty_list_has_no_records(nothing: str) -> None:
    answer = reports(f'"data":{nothing}')
    assert answer.record_count == 0
    assert answer.columns == {column: [] for column in REPORT_COLUMNS}


def test_an_answer_without_a_list_has_no_records() -> None:
    assert read_reports(b'{"errorCode":"000000","errorMsg":"nothing"}', "json").record_count == 0
    refused = read_reports(b'{"errorCode":"100003","errorMsg":"no","details":{"a":1}}', "json")
    assert (refused.error_code, refused.record_count) == ("100003", 0)


def test_an_empty_list_does_not_hide_a_full_one() -> None:
    assert reports(f'"records":[],"list":[{RECORD}]').columns == COLUMNS


@pytest.mark.parametrize(
    "shape",
    [
        '"data":{"total":3,"rows":[R]}',
        '"data":{"page":{"number":1},"rows":[R],"total":3}',
        '"data":{"page":{"number":1},"row":R}',
        '"data":{"list":[],"rows":[R]}',
        '"data":{"list":null,"page":{"records":[R]}}',
        '"records":[],"rows":[R]',
        '"result":[R]',
        '"result":{"total":1,"items":{"item":[R]}}',
        '"data":"ok","list":[R]',
        '"data":3,"records":R',
    ],
)
def test_a_list_is_found_on_a_page_and_by_its_fields(shape: str) -> None:
    answer = reports(shape.replace("R", RECORD))
    assert answer.columns == COLUMNS
    assert [answer.raw(0)] == [RECORD]


@pytest.mark.parametrize(
    "data",
    [
        f"[{RECORD}]",
        RECORD,
        f' {{"total":1,"rows":[{RECORD}]}}',
        {"total": 1, "list": f"[{RECORD}]"},
        {"total": 1, "rows": f"[{RECORD}]"},
        [RECORD],
    ],
)
def test_a_list_that_is_a_json_text_is_read(data: object) -> None:
    answer = reports(f'"data":{json.dumps(data)}')
    assert answer.columns == COLUMNS
    assert answer.raw(0) == RECORD


def test_a_text_that_looks_like_json_stays_a_text() -> None:
    answer = '{"errorCode":"000000","list":[{"content":"[1, 2]"},{"content":"{\\"a\\": 1}"}]}'
    assert read_replies(answer.encode(), "json").columns["content"] == ["[1, 2]", '{"a": 1}']
    assert reports('"list":["odd","[1]","{"]').record_count == 3


def test_several_lists_are_all_read() -> None:
    other = RECORD.replace("m1", "m2")
    answer = reports(f'"list":[{other}],"page":{{}},"data":{{"reports":[],"records":[{RECORD}],"list":{RECORD}}}')
    assert answer.columns["mission_num"] == ["m1", "m1", "m2"]
    assert [answer.raw(position) for position in range(3)] == [RECORD, RECORD, other]
    body = (
        "<xml><errorCode>000000</errorCode><data><r><destId>1</destId></r></data><list><destId>2</destId></list></xml>"
    )
    assert read_reports(body.encode(), "xml").columns["phone"] == ["1", "2"]


@pytest.mark.parametrize(
    "empty",
    [
        '{"total":0}',
        '{"total":"0"}',
        '{"totalCount":0,"pageNum":1}',
        '{"total":0,"rows":[]}',
        '{"total":0,"rows":null}',
        '{"page":{"size":10},"rows":[]}',
        '{"list":[],"page":{}}',
    ],
)
def test_an_empty_page_has_no_records(empty: str) -> None:
    assert reports(f'"data":{empty}').record_count == 0


def test_a_total_of_nothing_has_no_records_under_an_unknown_name_either() -> None:
    assert reports('"result":{"total":0}').record_count == 0
    assert reports('"result":{"total":0,"rows":[]}').record_count == 0


@pytest.mark.parametrize("total", ['{"total":3}', '{"size":0}', '{"total":0,"text":"TD"}'])
def test_a_page_without_its_records_is_not_empty(total: str) -> None:
    assert reports(f'"data":{total}').record_count == 1


@pytest.mark.parametrize("unknown", ['"rows":[{}]', '"result":{"mission":"m1"}', '"missionNum":"m1"'])
def test_records_under_an_unknown_name_are_unreadable_not_missing(unknown: str) -> None:
    with pytest.raises(UnreadableAnswer):
        reports(unknown)


@pytest.mark.parametrize("name", ["records", "data", "list", "reports"])
@pytest.mark.parametrize("child", ["record", "report", "item", "list"])
@pytest.mark.parametrize("count", [1, 2])
def test_xml_records_are_found_under_every_name(name: str, child: str, count: int) -> None:
    record = (
        "<mission_num>m1</mission_num><dest_id>13800138000</dest_id><send_status>SUCCESS</send_status>"
        "<receive_status>FAIL</receive_status><receive_real_status>MK:0001</receive_real_status>"
        "<batch_num> b1</batch_num><stat_time>2017-04-21 22:42:22</stat_time>"
    )
    body = f"<xml><errorCode>000000</errorCode>\n<{name}>\n{f'<{child}>{record}</{child}>' * count}</{name}></xml>"
    answer = read_reports(body.encode(), "xml")
    assert answer.columns == {column: values * count for column, values in COLUMNS.items()}
    assert answer.raw(count - 1).startswith('{"mission_num":"m1","dest_id":"13800138000"')


def test_xml_records_without_a_list_around_them_are_found() -> None:
    bare = "<records><destId>1</destId></records><records><destId>2</destId></records>"
    assert read_reports(f"<xml><errorCode>000000</errorCode>{bare}</xml>".encode(), "xml").columns["phone"] == [
        "1",
        "2",
    ]


def test_an_empty_xml_list_has_no_records() -> None:
    for empty in ("<records/>", "<records></records>", "<records>\n </records>"):
        assert read_reports(f"<x><errorCode>000000</errorCode>{empty}</x>".encode(), "xml").record_count == 0


def test_numbers_keep_their_digits() -> None:
    answer = reports(
        '"list":[{"missionNum":123456789012345678901234567890,"destId":13800138000,"receiveRealStatus":0},'
        '{"missionNum":1.50,"destId":1e3,"receiveRealStatus":"007"}]'
    )
    assert answer.columns["mission_num"] == ["123456789012345678901234567890", "1.50"]
    assert answer.columns["phone"] == ["13800138000", "1e3"]
    assert answer.columns["code"] == ["0", "007"]


def test_a_number_of_five_thousand_digits_is_still_text() -> None:
    assert reports('"list":[{"missionNum":' + "9" * 5000 + "}]").columns["mission_num"] == ["9" * 5000]


def test_missing_and_null_are_none_and_empty_is_empty() -> None:
    answer = reports('"list":[{"missionNum":null,"destId":"  ","receiveRealStatus":"0"},{"destId":"1"}]')
    assert answer.columns["mission_num"] == [None, None]
    assert answer.columns["phone"] == ["", "1"]
    assert answer.columns["code"] == ["0", None]


def test_two_spellings_in_one_answer_fill_one_column() -> None:
    answer = reports('"list":[{"missionNum":"a"},{"mission_num":"b"},{"missionNum":null,"mission_num":"c"}]')
    assert answer.columns["mission_num"] == ["a", "b", "c"]
    assert answer.extra == [None, None, None]


def test_unknown_fields_are_kept() -> None:
    answer = reports('"list":[{"missionNum":"a","fee":0.050,"省":"浙江"},{"missionNum":"b"}]')
    assert answer.extra == ['{"fee":"0.050","省":"浙江"}', None]


def test_a_record_that_is_not_an_object_is_a_record_of_nulls() -> None:
    answer = reports(f'"list":[3,null,"x",[1],{RECORD}]')
    assert answer.columns["mission_num"] == [None, None, None, None, "m1"]
    assert answer.extra == [None] * 5
    assert [answer.raw(position) for position in range(5)] == ["3", "null", '"x"', "[1]", RECORD]
    assert reports('"list":"odd"').raw(0) == '"odd"'


def test_a_field_that_is_not_text_becomes_its_json_text() -> None:
    answer = reports('"list":[{"missionNum":true,"destId":["1",2],"batchNum":{"a":null}}]')
    assert [answer.columns[name] for name in ("mission_num", "phone", "batch_num")] == [
        ["true"],
        ['["1",2]'],
        ['{"a":null}'],
    ]


def test_replies_have_their_own_columns() -> None:
    body = '{"errorCode":"000000","records":[{"srcId":"8613800138000","content":" 退订 ","destId":"410001123"}]}'
    assert read_replies(body.encode(), "json").columns == {
        "phone": ["8613800138000"],
        "content": ["退订"],
        "access_num": ["410001123"],
        "mo_time": [None],
    }


@pytest.mark.parametrize(("sent", "read"), [("two\nlines\ttab", "two\nlines\ttab"), ("\\ud83d cut", "\ufffd cut")])
def test_texts_of_people_do_not_make_an_answer_unreadable(sent: str, read: str) -> None:
    body = f'{{"errorCode":"000000","list":[{{"srcId":"1","content":"{sent}","fee":1.50}}]}}'
    replies = read_replies(body.encode(), "json")
    assert replies.columns["content"] == [read]
    assert replies.extra == ['{"fee":"1.50"}']


@pytest.mark.parametrize("end", ["\\_", "\\x41", "\\u12"])
def test_a_backslash_of_its_own_is_text(end: str) -> None:
    body = f'{{"errorCode":"000000","list":[{{"srcId":"1","content":"a\\\\b\\n{end}"}},{{"content":"TD"}}]}}'
    assert read_replies(body.encode(), "json").columns["content"] == [f"a\\b\n{end}", "TD"]


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("&#55357;&#56397;", "👍"),
        ("&#xD83D;&#XDC4D;", "👍"),
        ("&#55357;", "�"),
        ("&#56397;x&#55357;", "�x�"),
        ("\x01", "�"),
        ("&#1;&#0;&#65535;&#9999999999;", "����"),
        ("\uffff", "�"),
        ("R&D & co", "R&D & co"),
        ("a &lt; b &amp;&#38; c &#X41;", "a < b && c A"),
        ("a&nbsp;b&hellip;&LT;&unknown;", "a\xa0b…<&unknown;"),
        ("<3 1<2 a<b <", "<3 1<2 a<b <"),
        ("<取消>", "<取消>"),
        ("x]]>y", "x]]>y"),
        ("<T]]> <T x> <T => <!? <? <!T>", "<T]]> <T x> <T => <!? <? <!T>"),
        ("<![CDATA[a&b &#55357; <3\x02]]>&", "a&b &#55357; <3�&"),
        ("&#55357", "&#55357"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_bad_character_in_xml_costs_that_character_only(sent: str, read: str, encoding: str) -> None:
    record = "<record><srcId>8613800138000</srcId><content>{}</content></record>"
    records = "".join(record.format(text) for text in ("退订，不要再发", f"好的{sent}", "&amp;TD"))
    body = f'<?xml version="1.0"?><xml><errorCode>000000</errorCode><records>{records}\x01</records></xml>'
    assert read_replies(body.encode(encoding), "xml").columns["content"] == ["退订，不要再发", f"好的{read}", "&TD"]


def test_a_cut_xml_answer_stays_unreadable() -> None:
    body = "<xml><errorCode>000000</errorCode><records><record><content>R&D</content></record>"
    for end in ("", "</records>", "</records></xml", "</records></xml><", "</wrong></xml>"):
        with pytest.raises(UnreadableAnswer):
            read_replies((body + end).encode(), "xml")


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
@pytest.mark.parametrize("form", ["json", "xml"])
def test_a_text_cut_in_the_middle_of_a_character_costs_that_character_only(encoding: str, form: str) -> None:
    json = '{"errorCode":"000000","list":[{"srcId":"1","content":"取消"},{"content":"你好@"},{"content":"拒收"}]}'
    xml = "<x><errorCode>000000</errorCode><list><r><content>取消</content></r><r><content>你好@</content></r>"
    text = json if form == "json" else xml + "<r><content>拒收</content></r></list></x>"
    before, after = text.encode(encoding).split(b"@")
    assert read_replies(before[:-1] + after, form).columns["content"] == ["取消", "你�", "拒收"]


def test_neither_phones_nor_texts_are_in_a_repr() -> None:
    assert PHONE not in repr(reports(f'"list":[{RECORD}]'))

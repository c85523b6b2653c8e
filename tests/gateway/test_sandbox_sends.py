"""Sends: requests as deployed clients write them, their answers, and each of the 16 error codes."""

import http.client
import json
import socket
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import httpx
import pytest

from pipelines.sandbox import RunningSandbox
from pipelines.sandbox.answers import ERRORS
from pipelines.sandbox.rules import segments

Ask = Callable[..., httpx.Response]
TruthOf = Callable[..., list[tuple[Any, ...]]]
MakeSandbox = Callable[..., RunningSandbox]

TEXT = "【云鋒網絡】验证码123456"
CREDENTIALS = {"appKey": "sandbox-key", "appSecret": "sandbox-secret"}


def phones(count: int) -> str:
    return ",".join(str(13800000000 + number) for number in range(count))


def test_a_good_send_is_answered_byte_for_byte_as_in_the_sample(sandbox: RunningSandbox, ask: Ask) -> None:
    answer = ask(sandbox, "sendSms.json", phones=phones(2), content=TEXT)
    assert answer.content.decode() == '{"errorCode":"000000","errorMsg":"提交成功"}'
    assert answer.headers["content-type"] == "application/json;charset=UTF-8"


def test_the_balance_is_answered_byte_for_byte_as_in_the_sample(make_sandbox: MakeSandbox, ask: Ask) -> None:
    sandbox = make_sandbox(balance=100)
    declaration = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    assert ask(sandbox, "querySmsCount.json").text == '{"count":100,"errorCode":"000000","errorMsg":"获取成功"}'
    assert ask(sandbox, "querySmsCount.xml").text == (
        f"{declaration}<xml><errorCode>000000</errorCode><errorMsg>获取成功</errorMsg><count>100</count></xml>"
    )


def test_a_good_send_is_answered_in_xml_on_request(sandbox: RunningSandbox, ask: Ask) -> None:
    answer = ask(sandbox, "sendSms.xml", phones=phones(1), content=TEXT)
    assert answer.text.endswith("<xml><errorCode>000000</errorCode><errorMsg>提交成功</errorMsg></xml>")
    assert answer.headers["content-type"] == "text/xml;charset=UTF-8"


def test_an_unknown_call_is_not_found(shared_sandbox: RunningSandbox, ask: Ask) -> None:
    assert ask(shared_sandbox, "sendSms.txt").status_code == 404
    assert ask(shared_sandbox, "sendFax.json").status_code == 404


REFUSALS: dict[str, tuple[dict[str, Any], str, dict[str, str | None]]] = {
    # test id: settings, call, fields
    "100001 phones missing": ({}, "sendSms", {"phones": None}),
    "100001 content missing": ({}, "sendSms", {"content": None}),
    "100001 secret missing": ({}, "sendSms", {"appSecret": None}),
    "100001 mission number with a hyphen": ({}, "sendSms", {"missionNums": "a-1,a-2"}),
    "100001 mission number too long": ({}, "sendSms", {"missionNums": f"a,{'b' * 33}"}),
    "100001 batch number too long": ({}, "sendSms", {"batchNum": "b" * 33}),
    "100001 extra number with a letter": ({}, "sendSms", {"extraNum": "1a"}),
    "100001 extra number too long": ({}, "sendSms", {"extraNum": "1234567"}),
    "100001 blank text": ({}, "sendSms", {"content": "  "}),
    "100001 no day": ({}, "queryStatusReport", {}),
    "100001 not a day": ({}, "queryStatusReport", {"time": "20171107"}),
    "100002 unknown account": ({}, "sendSms", {"appKey": "nobody"}),
    "100003 wrong secret": ({}, "querySmsCount", {"appSecret": "wrong"}),
    "100004 foreign peer": ({"allowed_peers": ("127.0.0.2",)}, "sendSms", {}),
    "100005 too many phones": ({}, "sendSms", {"phones": phones(1001)}),
    "100006 too few mission numbers": ({}, "sendSms", {"missionNums": "m_1"}),
    "100007 short phone": ({}, "sendSms", {"phones": "13800000000,1380000000"}),
    "100007 phone with a country code": ({}, "sendSms", {"phones": "8613800000000"}),
    "100007 phone with a blank": ({}, "sendSms", {"phones": "13800000000, 13800000001"}),
    "100007 comma at the end": ({}, "sendSms", {"phones": "13800000000,"}),
    "100007 phone of other digits": ({}, "sendSms", {"phones": "1380000000٣"}),
    "100008 one phone too often": ({"phone_limit": 1}, "sendSms", {"phones": "13800000000,13800000000"}),
    "100009 balance too low": ({"balance": 1}, "sendSms", {}),
    "100010 daily limit": ({"daily_limit": 1}, "sendSms", {}),
    "100011 unknown template": ({}, "sendTplSms", {"templateId": "9999"}),
    "100012 too few texts": ({}, "sendTplSms", {"templateId": "100"}),
    "100013 text of another template": ({}, "sendTplSms", {"templateId": "27", "content": "a,b"}),
    "100014 too fast": ({"requests_per_second": 0.0001}, "sendSms", {}),
    "999999 by its phone": ({}, "sendSms", {"phones": "19999999999"}),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_bad_request_is_refused_whole_with_its_code(
    case: str, shared_sandbox: RunningSandbox, make_sandbox: MakeSandbox, ask: Ask, truth_of: TruthOf
) -> None:
    code = case[:6]
    settings, call, fields = REFUSALS[case]
    sandbox = make_sandbox(**settings) if settings else shared_sandbox
    if code == "100014":
        ask(sandbox, "querySmsCount.json")
    answer = ask(sandbox, f"{call}.json", **{"phones": phones(2), "content": TEXT} | fields)
    assert answer.json() == {"errorCode": code, "errorMsg": ERRORS[code].message}
    assert truth_of(sandbox, "SELECT count(*) FROM messages") == [(0,)]
    assert truth_of(sandbox, "SELECT error_code, is_accepted FROM requests ORDER BY request_id")[-1] == (code, 0)


def test_every_error_code_of_the_vendor_has_a_test() -> None:
    assert {case[:6] for case in REFUSALS} | {"000000"} == set(ERRORS)


@pytest.mark.parametrize("code", sorted(ERRORS.keys() - {"000000"}))
def test_every_error_code_can_be_provoked_by_a_phone(code: str, shared_sandbox: RunningSandbox, ask: Ask) -> None:
    magic = f"1999999{code[2:]}"
    assert ask(shared_sandbox, "sendSms.json", phones=f"13800000000,{magic}", content=TEXT).json()["errorCode"] == code


def test_a_repeated_batch_num_is_refused_and_nothing_is_sent_twice(
    sandbox: RunningSandbox, ask: Ask, truth_of: TruthOf
) -> None:
    send = {"phones": phones(2), "content": TEXT, "batchNum": "b1"}
    codes = [ask(sandbox, "sendSms.json", **send).json()["errorCode"] for _ in range(2)]
    assert codes == ["000000", "100001"]
    assert ask(sandbox, "sendSms.json", **send | {"batchNum": "B1"}).json()["errorCode"] == "000000"
    assert truth_of(sandbox, "SELECT count(*) FROM messages") == [(4,)]


def test_a_refused_batch_num_can_be_used_again(sandbox: RunningSandbox, ask: Ask) -> None:
    ask(sandbox, "sendSms.json", phones="1", content=TEXT, batchNum="b1")
    assert ask(sandbox, "sendSms.json", phones=phones(1), content=TEXT, batchNum="b1").json()["errorCode"] == "000000"


def test_the_balance_goes_down_by_segments(make_sandbox: MakeSandbox, ask: Ask) -> None:
    sandbox = make_sandbox(balance=10)
    ask(sandbox, "sendSms.json", phones=phones(3), content="【云】" + "长" * 68)  # 71 units: two segments each
    assert ask(sandbox, "querySmsCount.json").json()["count"] == 4
    ask(
        sandbox, "sendTplSms.json", phones=phones(2), templateId="100", content=f"{quote('【云】a')},{quote('长' * 71)}"
    )
    assert ask(sandbox, "querySmsCount.json").json()["count"] == 1
    sandbox.control(balance=50)
    assert ask(sandbox, "querySmsCount.json").json()["count"] == 50


@pytest.mark.parametrize(("units", "count"), [(1, 1), (70, 1), (71, 2), (134, 2), (135, 3)])
def test_a_text_is_billed_by_utf16_units(units: int, count: int) -> None:
    assert segments("字" * units) == count


@pytest.mark.parametrize(("emoji", "count"), [(1, 1), (35, 1), (36, 2), (66, 2), (67, 3)])
def test_a_pair_of_units_is_never_cut(emoji: int, count: int) -> None:
    assert segments("😀" * emoji) == count


def test_mission_numbers_and_batch_number_are_optional(sandbox: RunningSandbox, ask: Ask, truth_of: TruthOf) -> None:
    for _ in range(2):
        assert (
            ask(sandbox, "sendSms.json", phones="13800000000,13800000000", content=TEXT).json()["errorCode"] == "000000"
        )
    expected = ("", "13800000000", None, sha256(TEXT.encode()).hexdigest(), 1)
    rows = truth_of(sandbox, "SELECT mission_num, phone, batch_num, content_sha256, segment_count FROM messages")
    assert rows == [expected] * 4


def test_each_phone_gets_its_own_text_of_a_doubly_encoded_content(
    sandbox: RunningSandbox, ask: Ask, truth_of: TruthOf
) -> None:
    texts = ["【云鋒網絡】您好,這是測試1,234 +%", "【云鋒網絡】您好,這是測試4321"]
    answer = ask(
        sandbox, "sendTplSms.json", phones=phones(2), templateId="27", content=",".join(map(quote_plus, texts))
    )
    assert answer.json()["errorCode"] == "000000"
    assert truth_of(sandbox, "SELECT phone, content_sha256 FROM messages ORDER BY message") == [
        ("13800000000", sha256(texts[0].encode()).hexdigest()),
        ("13800000001", sha256(texts[1].encode()).hexdigest()),
    ]


def test_the_vendors_template_sample_is_accepted_in_both_of_its_encodings(sandbox: RunningSandbox, ask: Ask) -> None:
    texts = ["【云鋒網絡】您好,您的驗證碼是123456"] * 2
    for encode in (quote_plus, lambda text: quote(text).lower()):  # Java and PHP; C#
        content = ",".join(map(encode, texts))
        assert (
            ask(sandbox, "sendTplSms.json", phones=phones(2), templateId="1", content=content).json()["errorCode"]
            == "000000"
        )


STYLES: dict[str, Callable[[str, str], tuple[str, str, str | None]]] = {
    "POST form": lambda path, form: ("POST", path, form),
    "POST with query string": lambda path, form: ("POST", f"{path}?{form}", None),
    "GET with query string": lambda path, form: ("GET", f"{path}?{form}", None),
}


@pytest.mark.parametrize("style", STYLES)
def test_a_full_batch_is_accepted_in_every_style_of_deployed_clients(
    style: str, sandbox: RunningSandbox, truth_of: TruthOf
) -> None:
    form = urlencode(
        CREDENTIALS
        | {"phones": phones(1000), "content": TEXT, "batchNum": "001", "extraNum": "001"}
        | {"missionNums": ",".join(f"mission_{number}" for number in range(1000))}
    )
    method, target, body = STYLES[style]("/api/v2/sendSms.json", form)
    connection = http.client.HTTPConnection(sandbox.settings.host, sandbox.settings.port, timeout=30)
    connection.request(method, target, body, {"Content-Type": "application/x-www-form-urlencoded"} if body else {})
    assert b'errorCode":"000000"' in connection.getresponse().read()
    connection.close()
    digest = sha256(TEXT.encode()).hexdigest()
    expected = [("13800000000", "mission_0", "001", digest), ("13800000999", "mission_999", "001", digest)]
    rows = truth_of(sandbox, "SELECT phone, mission_num, batch_num, content_sha256 FROM messages ORDER BY message")
    assert [rows[0], rows[-1]] == expected


def raw_get(sandbox: RunningSandbox, query: bytes) -> bytes:
    """A GET whose query string is not encoded at all, as curl sends a pasted URL."""
    with socket.create_connection((sandbox.settings.host, sandbox.settings.port), timeout=30) as connection:
        connection.sendall(b"GET /api/v2/sendSms.json?" + query + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_the_vendors_sample_url_works_as_it_stands(sandbox: RunningSandbox, truth_of: TruthOf) -> None:
    query = (
        f"{urlencode(CREDENTIALS)}&phones=15067890000,15267790000&missionNums=mission_001,mission_002&content={TEXT}"
    )
    assert b'"errorCode":"000000"' in raw_get(sandbox, query.encode() + b"&batchNum=zhuanxinyun001")
    digest = sha256(TEXT.encode()).hexdigest()
    assert truth_of(sandbox, "SELECT DISTINCT content_sha256 FROM messages") == [(digest,)]


def test_a_text_in_gbk_is_refused_as_malformed(sandbox: RunningSandbox) -> None:
    query = f"{urlencode(CREDENTIALS)}&phones=15067890000&content={TEXT}"
    assert b'"errorCode":"100001"' in raw_get(sandbox, query.encode("gb18030"))
    form = urlencode(CREDENTIALS | {"phones": "15067890000", "content": TEXT}, encoding="gb18030")
    answer = httpx.post(sandbox.base_url + "sendSms.json", content=form, trust_env=False)
    assert answer.json()["errorCode"] == "100001"


def test_the_form_wins_over_the_query_string(sandbox: RunningSandbox, ask: Ask, truth_of: TruthOf) -> None:
    ask(sandbox, "sendSms.json?phones=13900000000&batchNum=q1", phones="13800000000", content=TEXT)
    assert truth_of(sandbox, "SELECT phone, batch_num FROM messages") == [("13800000000", "q1")]


def test_limits_expire(make_sandbox: MakeSandbox, ask: Ask) -> None:
    sandbox = make_sandbox(phone_limit=1, daily_limit=2)
    send = {"phones": phones(1), "content": TEXT}
    assert ask(sandbox, "sendSms.json", **send).json()["errorCode"] == "000000"
    assert ask(sandbox, "sendSms.json", **send).json()["errorCode"] == "100008"
    assert ask(sandbox, "sendSms.json", **send | {"phones": "13900000000,13900000001"}).json()["errorCode"] == "100010"
    sandbox.control(clock_shift_seconds=86400)
    assert ask(sandbox, "sendSms.json", **send).json()["errorCode"] == "000000"


def test_the_control_endpoint_explains_an_invalid_change(sandbox: RunningSandbox) -> None:
    answer = httpx.post(
        sandbox.base_url.replace("api/v2/", "sandbox/control"), content=b'{"speed": 1}', trust_env=False
    )
    assert (answer.status_code, "speed" in answer.text) == (400, True)
    assert json.loads(json.dumps(sandbox.control()))["balance"] == 1_000_000

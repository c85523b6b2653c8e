"""Pushes: their content, form, order and retries, and their record in the truth."""

import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree

from pipelines.errors import UsageError
from pipelines.sandbox import RunningSandbox, SandboxSettings, Shares
from pipelines.sandbox.pushes import write_packet
from pipelines.sandbox.truth import IssuedReply, IssuedReport
from tests.support.endpoint import REPLY, REPORT

Ask = Callable[..., httpx.Response]
TruthOf = Callable[..., list[tuple[Any, ...]]]
MakeSandbox = Callable[..., RunningSandbox]

DAY = 86_400
TEXT = "【云鋒網絡】验证码123456"
PLAIN = Shares(failed=0.1, unreported=0, late=0, beyond_window=0, duplicate=0, conflict=0, phone_mismatch=0, orphan=0,
               reply=0, country_code=0, leading_blank=0)  # fmt: skip
ODD = Shares(
    duplicate=0.1, conflict=0.1, phone_mismatch=0.1, orphan=0.1, reply=0.3, country_code=0.2, leading_blank=0.2
)
SNAKE = {
    "missionNum": "mission_num",
    "destId": "dest_id",
    "sendStatus": "send_status",
    "receiveStatus": "receive_status",
    "receiveRealStatus": "receive_real_status",
    "batchNum": "batch_num",
    "statTime": "stat_time",
}

# The records in the two packets of the vendor's page.
SAMPLE_REPORT = IssuedReport("100001", "15267797477", "DELIVRD", "2017-04-21 22:42:22", "zhuanxinyun100001", 0, 1)
SAMPLE_REPLY = IssuedReply("15058306581", "測試", "410001123", "2016-08-23 14:30:33")
SAMPLE_TIME = 1471933833  # 2016-08-23 14:30:33 in China


class Receiver(ThreadingHTTPServer):
    """The client's URL: it keeps every body, and answers with the status that `answer` returns for it."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answer: Callable[[bytes, int], int | None] = lambda _body, _before: 200
        self.bodies: list[bytes] = []
        self._times: Counter[bytes] = Counter()
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/secret-path"

    @property
    def packets(self) -> list[etree._Element]:
        return [etree.fromstring(body) for body in self.bodies]

    def records(self) -> list[dict[str, str]]:
        """The fields of all reports received, in order."""
        return [{field.tag: field.text or "" for field in r} for p in self.packets for r in p.iterfind(".//record")]

    def take(self, body: bytes, headers: dict[str, str]) -> int | None:
        with self._lock:
            before = self._times[body]
            self._times[body] += 1
            self.bodies.append(body)
            self.headers.append(headers)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return self.answer(body, before)
        finally:
            with self._lock:
                self._at_once -= 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.take(body, {name.lower(): value for name, value in self.headers.items()})
        if status is None:
            self.close_connection = True
            return
        self.send_response_only(status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()
        with suppress(OSError):  # the sandbox has timed out
            self.wfile.flush()


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    with Receiver(port) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def make_pushing(make_sandbox: MakeSandbox, receiver: Receiver) -> MakeSandbox:
    """A sandbox that pushes to the receiver, its clock ten days behind, so that sends lie in the past."""

    def make(**settings: Any) -> RunningSandbox:
        defaults: dict[str, Any] = {"push_url": receiver.url, "shares": PLAIN, "clock_shift_seconds": -10 * DAY}
        return make_sandbox(**defaults | settings)

    return make


def send(sandbox: RunningSandbox, ask: Ask, count: int, **fields: str) -> None:
    form = {
        "phones": ",".join(str(13800000000 + number * 9_973) for number in range(count)),
        "missionNums": ",".join(f"m{number}" for number in range(count)),
        "content": TEXT,
        "batchNum": "b1",
    }
    assert b'"errorCode":"000000"' in ask(sandbox, "sendSms.json", **form | fields).content


def wait_until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline, "it does not come to pass"
        time.sleep(0.05)


def push_all(sandbox: RunningSandbox) -> dict[str, int]:
    """Correct the clock and wait until everything is pushed; returns the counts of the control endpoint."""
    sandbox.control(clock_shift_seconds=0)
    counts: dict[str, int] = {}

    def is_done() -> bool:
        counts.update(sandbox.control()["pushes"])
        return counts["due"] == counts["waiting"] == 0

    wait_until(is_done)
    return counts


def pull(sandbox: RunningSandbox, ask: Ask) -> list[dict[str, str]]:
    """All reports of all days, with the field names of a push."""
    now = time.time() + 8 * 3600
    days = [time.strftime("%Y-%m-%d", time.gmtime(now - days * DAY)) for days in range(12)]
    answers = [ask(sandbox, "queryStatusReport.json", time=day).json()["records"] for day in days]
    return [{SNAKE[name]: value for name, value in record.items()} for answer in answers for record in answer]


def in_order(records: list[dict[str, str]]) -> list[tuple[tuple[str, str], ...]]:
    return sorted(tuple(record.items()) for record in records)


# Form


def test_packets_equal_the_vendors_samples_line_by_line() -> None:
    settings = SandboxSettings(truth=Path("none"), app_key="nqzuhh1wq9lxlpya1q0976gdb50p1eqi")
    report = write_packet(settings, SAMPLE_TIME, "sdowenfwierhfwdkpkadbi", [SAMPLE_REPORT])
    reply = write_packet(settings, SAMPLE_TIME, "sdhi23hsdpghu32ohzh", [SAMPLE_REPLY])
    for packet, sample in (report, REPORT.decode()), (reply, REPLY.decode()):
        written, count = re.subn("<sign>[0-9a-f]{32}</sign>", "<sign>72b16e1d63b9f2f2ee588df4e88d7706</sign>",
                                 packet.decode("utf-8"))  # fmt: skip
        assert (written, count) == (sample, 1)


def test_pushes_have_the_elements_of_the_vendors_samples(
    make_pushing: MakeSandbox, ask: Ask, receiver: Receiver
) -> None:
    sandbox = make_pushing(shares=Shares(reply=0.3, leading_blank=1), app_key="a-key")
    send(sandbox, ask, 100, extraNum="77")
    push_all(sandbox)

    def elements(packet: etree._Element) -> list[str]:
        return [packet.getroottree().getpath(element) for element in packet.iter()]

    reports = [packet for packet in receiver.packets if packet.find("body/records") is not None]
    replies = [packet for packet in receiver.packets if packet.find("body/dest") is not None]
    assert len(reports) > 90
    assert len(replies) > 10
    assert {tuple(elements(packet)) for packet in reports} == {tuple(elements(etree.fromstring(REPORT)))}
    assert {tuple(elements(packet)) for packet in replies} == {tuple(elements(etree.fromstring(REPLY)))}
    assert {packet.findtext("head/app_key") for packet in receiver.packets} == {"a-key"}
    assert {packet.findtext("body/records/record/batch_num") for packet in reports} == {" b1"}
    assert all(re.fullmatch("861[0-9]{10}", packet.findtext("body/dest/src_id") or "") for packet in replies)
    assert {packet.findtext("body/dest/dest_id") for packet in replies} == {"1069000177"}
    assert {header["content-type"] for header in receiver.headers} == {"text/xml;charset=UTF-8"}
    assert len({packet.findtext("head/nonce_str") for packet in receiver.packets}) == len(receiver.packets)
    china = [time.strftime("%Y%m%d%H%M", time.gmtime(time.time() + 8 * 3600 - ago)) for ago in (0, 60)]
    assert {(packet.findtext("head/time_stamp") or "")[:12] for packet in receiver.packets} <= set(china)


def test_the_text_of_a_reply_is_escaped() -> None:
    content = "TD & <b>\"'</b> ]]> 退订"
    packet = write_packet(
        SandboxSettings(truth=Path("none")), SAMPLE_TIME, "n", [SAMPLE_REPLY._replace(content=content)]
    )
    assert etree.fromstring(packet).findtext("body/dest/content") == content


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "sandbox-key{time_stamp}{nonce_str}canary-secret"),
        ({"push_sign_text": "{app_secret}&t={time_stamp}&{app_secret}"}, "canary-secret&t={time_stamp}&canary-secret"),
    ],
)
def test_the_sign_is_the_md5_of_the_configured_text(options: dict[str, str], text: str) -> None:
    settings = SandboxSettings(truth=Path("none"), app_secret="canary-secret", **options)
    packet = write_packet(settings, SAMPLE_TIME, "nonce", [SAMPLE_REPORT])
    signed = text.format(time_stamp="20160823143033", nonce_str="nonce").encode()
    assert etree.fromstring(packet).findtext("head/sign") == md5(signed).hexdigest()  # noqa: S324
    assert b"canary" not in packet


# Content and order


def test_everything_due_is_pushed_once_and_equals_a_pull(
    make_pushing: MakeSandbox, ask: Ask, receiver: Receiver, truth_of: TruthOf
) -> None:
    sandbox = make_pushing(shares=ODD)
    send(sandbox, ask, 120)
    counts = push_all(sandbox)
    pulled, replies = pull(sandbox, ask), ask(sandbox, "queryMoRecord.json").json()["records"]
    assert in_order(receiver.records()) == in_order(pulled)
    came = [
        tuple(packet.findtext(f"body/dest/{name}") for name in ("src_id", "content", "dest_id"))
        for packet in receiver.packets
        if packet.find("body/dest") is not None
    ]
    assert sorted(came) == sorted((reply["srcId"], reply["content"], reply["destId"]) for reply in replies)
    assert len(receiver.bodies) == len(set(receiver.bodies)) == len(pulled) + len(replies)
    made = len(receiver.bodies)
    assert counts == {"made": made, "waiting": 0, "answered": made, "given_up": 0, "attempts": made, "due": 0}
    assert truth_of(sandbox, "SELECT DISTINCT http_status, attempt_count, answered_count, body FROM pushes") == [
        (200, 1, 1, None)
    ]
    assert truth_of(
        sandbox, "SELECT (SELECT count(*) FROM reports JOIN pushes USING (push_id) WHERE push_kind = 'reports'),"
        " (SELECT count(*) FROM replies JOIN pushes USING (push_id) WHERE push_kind = 'replies')"
    ) == [(len(pulled), len(replies))]  # fmt: skip


def test_over_one_connection_pushes_come_in_order_of_time(
    make_pushing: MakeSandbox, ask: Ask, receiver: Receiver, truth_of: TruthOf
) -> None:
    sandbox = make_pushing(shares=ODD, push_connections=1)
    send(sandbox, ask, 250)  # more than one page
    push_all(sandbox)
    due = truth_of(
        sandbox,
        "SELECT nonce_str, due_at FROM pushes JOIN (SELECT push_id, due_at FROM reports UNION ALL"
        " SELECT push_id, due_at FROM replies) USING (push_id)",
    )
    due_at = dict(due)
    times = [due_at[packet.findtext("head/nonce_str")] for packet in receiver.packets]
    assert len(set(times)) > 15
    assert times == sorted(times)
    assert receiver.most_at_once == 1


def test_nothing_is_pushed_before_its_time_by_the_gateways_clock(
    make_pushing: MakeSandbox, ask: Ask, receiver: Receiver, truth_of: TruthOf
) -> None:
    sandbox = make_pushing(shares=Shares(late=1, beyond_window=0), clock_shift_seconds=0)
    send(sandbox, ask, 200)
    seen = []
    for seconds in (0, 3600, 2 * DAY):
        sandbox.control(clock_shift_seconds=seconds)
        wait_until(lambda: not sandbox.control()["pushes"]["due"] and not sandbox.control()["pushes"]["waiting"])
        seen.append(len(receiver.bodies))
    total = truth_of(sandbox, "SELECT (SELECT count(*) FROM reports) + (SELECT count(*) FROM replies)")[0][0]
    assert 0 == seen[0] < seen[1] < seen[2] == total


def test_reports_share_packets_of_the_configured_size_and_each_reply_has_its_own(
    make_pushing: MakeSandbox, ask: Ask, receiver: Receiver
) -> None:
    sandbox = make_pushing(push_records=40, shares=Shares(late=0, reply=0.3))
    send(sandbox, ask, 100)
    push_all(sandbox)
    sizes = Counter(len(packet.findall("body/records/record")) for packet in receiver.packets)
    replies = sum(packet.find("body/dest") is not None for packet in receiver.packets)
    assert sizes[40] >= 2
    assert sizes[0] == replies > 10
    assert sum(size * count for size, count in sizes.items()) == len(pull(sandbox, ask))


def test_only_the_configured_kinds_are_pushed(make_pushing: MakeSandbox, ask: Ask, receiver: Receiver) -> None:
    sandbox = make_pushing(push_kinds=("replies",), shares=Shares(reply=0.5))
    send(sandbox, ask, 50)
    push_all(sandbox)
    assert {packet.find("body")[0].tag for packet in receiver.packets} == {"dest"}
    assert len(pull(sandbox, ask)) > 40


def test_the_stamp_can_be_the_time_of_the_records(make_pushing: MakeSandbox, ask: Ask, receiver: Receiver) -> None:
    sandbox = make_pushing(push_stamp="due")
    send(sandbox, ask, 20)
    push_all(sandbox)
    for packet in receiver.packets:
        stat_time = packet.findtext("body/records/record/stat_time") or ""
        assert packet.findtext("head/time_stamp") == re.sub("[^0-9]", "", stat_time)


def test_only_records_whose_push_was_answered_200_are_drained(
    make_pushing: MakeSandbox, ask: Ask, receiver: Receiver
) -> None:
    sandbox = make_pushing(report_mode="drain", push_retry_seconds=(), shares=Shares(reply=0.3))
    receiver.answer = lambda body, _: 200 if sum(body) % 2 else 500
    send(sandbox, ask, 200)
    counts = push_all(sandbox)
    pulled, replies = pull(sandbox, ask), ask(sandbox, "queryMoRecord.json").json()["records"]
    refused = [packet for packet, body in zip(receiver.packets, receiver.bodies, strict=True) if sum(body) % 2 == 0]
    missions = [packet.findtext("body/records/record/mission_num") for packet in refused]
    assert sorted(record["mission_num"] for record in pulled) == sorted(filter(None, missions))
    assert len(replies) == missions.count(None) > 0
    assert len(pulled) + len(replies) == counts["given_up"]
    assert pull(sandbox, ask) == []


# Retries


def test_a_packet_is_retried_with_the_same_bytes_until_it_is_answered_200(
    make_pushing: MakeSandbox, ask: Ask, receiver: Receiver, truth_of: TruthOf
) -> None:
    bad = {b">m0<": 500, b">m1<": 404, b">m2<": 302, b">m3<": 204, b">m4<": None}
    receiver.answer = lambda body, before: 200 if before >= 2 else next(bad[mark] for mark in bad if mark in body)
    sandbox = make_pushing(push_retry_seconds=(0.0, 0.05, 0.05))
    send(sandbox, ask, 5)
    counts = push_all(sandbox)
    assert list(Counter(receiver.bodies).values()) == [3] * 5
    assert (counts["answered"], counts["attempts"], counts["given_up"]) == (5, 15, 0)
    assert truth_of(sandbox, "SELECT DISTINCT attempt_count, answered_count, http_status FROM pushes") == [(3, 1, 200)]


def test_a_packet_that_is_answered_too_late_is_retried(make_pushing: MakeSandbox, ask: Ask, receiver: Receiver) -> None:
    def answer(_body: bytes, before: int) -> int:
        time.sleep(0 if before else 1)
        return 200

    receiver.answer = answer
    sandbox = make_pushing(push_retry_seconds=(0.0,) * 20, push_timeout_seconds=0.4)
    send(sandbox, ask, 2)
    counts = push_all(sandbox)
    assert len(set(receiver.bodies)) == counts["answered"] == 2
    assert counts["attempts"] >= len(receiver.bodies) >= 4


def test_a_packet_waits_before_its_retry(make_pushing: MakeSandbox, ask: Ask, receiver: Receiver) -> None:
    came: list[float] = []

    def answer(_body: bytes, before: int) -> int:
        came.append(time.monotonic())
        return 200 if before else 500

    receiver.answer = answer
    sandbox = make_pushing(push_retry_seconds=(0.5,))
    send(sandbox, ask, 1)
    push_all(sandbox)
    assert len(came) == 2
    assert came[1] - came[0] >= 0.45


def test_after_the_last_wait_a_packet_is_given_up_and_counted_and_others_continue(
    make_pushing: MakeSandbox, ask: Ask, receiver: Receiver, truth_of: TruthOf
) -> None:
    receiver.answer = lambda body, _: 500 if b">m3<" in body else 200
    sandbox = make_pushing(push_retry_seconds=(0.0, 0.0))
    send(sandbox, ask, 20)
    counts = push_all(sandbox)
    assert sorted(Counter(receiver.bodies).values()) == [1] * 19 + [3]
    assert counts == {"made": 20, "waiting": 0, "answered": 19, "given_up": 1, "attempts": 22, "due": 0}
    assert truth_of(
        sandbox,
        "SELECT mission_num, attempt_count, answered_count, answered_at, http_status, body"
        " FROM reports JOIN pushes USING (push_id) WHERE is_given_up",
    ) == [("m3", 3, 0, None, 500, None)]


def test_a_share_is_pushed_again_though_answered_200(
    make_pushing: MakeSandbox, ask: Ask, receiver: Receiver, truth_of: TruthOf
) -> None:
    sandbox = make_pushing(push_duplicate_rate=0.3)
    send(sandbox, ask, 200)
    push_all(sandbox)
    times = Counter(Counter(receiver.bodies).values())
    assert times.keys() == {1, 2}
    assert 40 < times[2] < 80
    assert dict(truth_of(sandbox, "SELECT answered_count, count(*) FROM pushes GROUP BY 1")) == times


def test_a_duplicate_is_never_pushed_a_third_time(make_pushing: MakeSandbox, ask: Ask, receiver: Receiver) -> None:
    receiver.answer = lambda _body, before: 500 if before else 200
    sandbox = make_pushing(push_duplicate_rate=1, push_retry_seconds=(0.0,))
    send(sandbox, ask, 10)
    counts = push_all(sandbox)
    assert set(Counter(receiver.bodies).values()) == {2}
    assert (counts["answered"], counts["given_up"], counts["attempts"]) == (10, 0, 20)


def test_the_configured_number_of_packets_is_under_way_at_once(
    make_pushing: MakeSandbox, ask: Ask, receiver: Receiver
) -> None:
    def answer(_body: bytes, _before: int) -> int:
        time.sleep(0.05)
        return 200

    receiver.answer = answer
    sandbox = make_pushing(push_connections=6)
    send(sandbox, ask, 40)
    push_all(sandbox)
    assert receiver.most_at_once == 6


# Kills and outages


def test_after_a_kill_only_unanswered_packets_come_again_with_the_same_bytes(
    make_pushing: MakeSandbox, ask: Ask, receiver: Receiver, truth_of: TruthOf
) -> None:
    is_killed = threading.Event()
    first: list[bytes] = []

    def answer(body: bytes, _: int) -> int | None:
        if is_killed.is_set() or len(first) < 50:
            first.append(body)
            return 200
        is_killed.wait(30)
        return None

    receiver.answer = answer
    sandbox = make_pushing(push_connections=3)
    send(sandbox, ask, 260)
    sandbox.control(clock_shift_seconds=0)
    wait_until(lambda: sandbox.control()["pushes"]["answered"] >= 50 and len(receiver.bodies) >= 53)
    sandbox.kill()
    before = list(receiver.bodies)
    unanswered = set(before) - set(first)
    is_killed.set()
    sandbox.start()
    push_all(sandbox)
    again = receiver.bodies[len(before) :]
    assert len(unanswered) == 3
    assert unanswered <= set(again)
    assert not set(before) - unanswered & set(again)
    assert len(again) == len(set(again)) == 210
    assert len(set(receiver.bodies)) == 260 == len(pull(sandbox, ask))


def test_an_unreachable_receiver_delays_nothing_else_and_gets_everything_later(
    make_sandbox: MakeSandbox, ask: Ask
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    sandbox = make_sandbox(push_url=f"http://127.0.0.1:{port}/", push_retry_seconds=(0.2,) * 100, shares=PLAIN,
                           clock_shift_seconds=-10 * DAY)  # fmt: skip
    send(sandbox, ask, 100)
    sandbox.control(clock_shift_seconds=0)
    wait_until(lambda: sandbox.control()["pushes"]["attempts"] > 100)
    assert len(pull(sandbox, ask)) == 100
    with receiving(port) as receiver:
        counts = push_all(sandbox)
        assert len(receiver.bodies) == len(set(receiver.bodies)) == counts["answered"] == 100
        assert counts["given_up"] == 0


def test_without_a_url_nothing_is_pushed(make_pushing: MakeSandbox, ask: Ask, truth_of: TruthOf) -> None:
    sandbox = make_pushing(push_url=None)
    send(sandbox, ask, 5)
    assert sandbox.control(clock_shift_seconds=0)["pushes"] is None
    assert len(pull(sandbox, ask)) == 5
    assert truth_of(sandbox, "SELECT count(*) FROM pushes") == [(0,)]


def test_the_url_is_in_no_repr(tmp_path: Path) -> None:
    settings = SandboxSettings(truth=tmp_path / "truth", push_url="http://127.0.0.1:1/secret-path")
    assert "secret-path" not in repr(settings)


@pytest.mark.parametrize(
    "wrong",
    [
        {"push_url": "127.0.0.1:8000"},
        {"push_url": "ftp://127.0.0.1/"},
        {"push_url": "http://127.0.0.1:99999/"},
        {"push_url": "http:///path"},
        {"push_sign_text": "{secret}"},
        {"push_sign_text": "{"},
        {"push_sign_text": "{0}"},
        {"push_records": 0},
        {"push_connections": 0},
        {"push_timeout_seconds": 0.0},
        {"push_retry_seconds": (1.0, -1.0)},
        {"push_duplicate_rate": 1.5},
    ],
)
def test_a_wrong_setting_of_pushes_is_refused(wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(wrong))}.*correct"):
        SandboxSettings(truth=tmp_path / "truth", **wrong)

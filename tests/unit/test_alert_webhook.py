"""Findings are sent as one message, in the format and with the signature of each receiver, or an error is raised."""

import json
import logging
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import stamina
from pydantic import SecretStr

from pipelines.alerts.findings import Finding
from pipelines.alerts.webhook import send
from pipelines.errors import AlertRaised
from pipelines.settings import AlertSettings
from tests.support.ports import free_port

NOON = datetime(2026, 11, 10, 4, 0, tzinfo=UTC)
TOKEN = "canary-token-51"
SECRET = "SECcanary1"
TAKEN = {"dingtalk": b'{"errcode":0,"errmsg":"ok"}', "wecom": b'{"errcode":0,"errmsg":"ok"}'}
TAKEN |= {"feishu": b'{"StatusCode":0,"StatusMessage":"success","code":0,"data":{},"msg":"success"}'}

LOW = Finding("low_balance", "the balance is 9 segments, fewer than 10; top up the account", 16, value=9, bound=10)
DOUBT = Finding("in_doubt", "campaign 春季: in doubt; see 'smsrecon status'", 13, "spring", 2.0, 0.0)


class Receiver(ThreadingHTTPServer):
    """A webhook on loopback: gives the answers it was given, repeating the last one, and keeps the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, bytes]] = [(200, b"")]
        self.queries: list[dict[str, str]] = []
        self.bodies: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/robot/send?access_token={TOKEN}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.queries.append(dict(parse_qsl(urlsplit(self.path).query)))
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        answers = self.server.answers
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        self.send_header("Location", "/elsewhere")  # read only with a 3xx
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _without_waits() -> Iterator[None]:
    with stamina.set_testing(True, attempts=10, cap=True):
        yield


def send_to(url: str, *findings: Finding, secret: str = "", **settings: Any) -> None:
    alerts = AlertSettings(webhook_url=SecretStr(url), webhook_secret=SecretStr(secret), **settings)
    send(findings, alerts, installation="main", at=NOON)


def refusal(url: str, **settings: Any) -> str:
    """Error message of a failed sending; the token is not in its traceback."""
    with pytest.raises(AlertRaised) as caught:
        send_to(url, LOW, secret=SECRET, **settings)
    for canary in (TOKEN, SECRET):
        assert canary not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


# ── Forms and signatures ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_users_own_webhook_gets_all_findings_with_their_values(receiver: Receiver) -> None:
    send_to(receiver.url, DOUBT, LOW)

    assert receiver.bodies == [
        {
            "source": "smsrecon",
            "installation": "main",
            "at": "2026-11-10T12:00:00+08:00",
            "findings": [DOUBT.to_json(), LOW.to_json()],
        }
    ]
    assert receiver.queries == [{"access_token": TOKEN}]


TEXT = f"smsrecon main: 2 findings\n\n- {DOUBT.message}\n- {LOW.message}"
FORMS: dict[str, dict[str, Any]] = {
    "dingtalk": {"msgtype": "markdown", "markdown": {"title": "smsrecon main: 2 findings", "text": TEXT}},
    "wecom": {"msgtype": "markdown", "markdown": {"content": TEXT}},
    "feishu": {"msg_type": "text", "content": {"text": TEXT}},
}

# Made with openssl: HMAC-SHA256 in base64, of `timestamp, line feed, secret` keyed by the secret for DingTalk, and of
# nothing keyed by `timestamp, line feed, secret` for Feishu.
DINGTALK_SIGN = {"timestamp": "1794283200000", "sign": "GsSOT5FhSCftmcS0oEgnC8+6jGxMvMKewcCFl4uWHSE="}
FEISHU_SIGN = {"timestamp": "1794283200", "sign": "dhOQdyXk7nowmiz8MeVxiOnAEhMTKF7tQsNOq9/A8wE="}


@pytest.mark.parametrize("robot", FORMS)
def test_a_robot_gets_the_findings_in_its_own_form(receiver: Receiver, robot: str) -> None:
    receiver.answers = [(200, TAKEN[robot])]

    send_to(receiver.url, DOUBT, LOW, webhook_format=robot)

    assert receiver.bodies == [FORMS[robot]]
    assert receiver.queries == [{"access_token": TOKEN}]


@pytest.mark.parametrize(
    ("robot", "in_query", "in_body"),
    [("dingtalk", DINGTALK_SIGN, {}), ("feishu", {}, FEISHU_SIGN), ("wecom", {}, {})],
)
def test_a_message_has_the_signature_that_the_robot_checks(
    receiver: Receiver, robot: str, in_query: dict[str, str], in_body: dict[str, str]
) -> None:
    receiver.answers = [(200, TAKEN[robot])]

    send_to(receiver.url, DOUBT, LOW, webhook_format=robot, secret=SECRET)

    assert receiver.queries == [{"access_token": TOKEN} | in_query]
    assert receiver.bodies == [FORMS[robot] | in_body]


@pytest.mark.parametrize("count", [1, 71, 72, 500])
def test_a_long_message_is_cut_between_findings_and_says_how_many_are_missing(receiver: Receiver, count: int) -> None:
    line = Finding("low_balance", "余额不足" * 4 + "; top up", 16)  # 59 bytes with its dash and line feed
    receiver.answers = [(200, TAKEN["wecom"])]

    send_to(receiver.url, *[line] * count, webhook_format="wecom")

    content = receiver.bodies[0]["markdown"]["content"]
    first, empty, *lines = content.split("\n")
    assert (first, empty) == (f"smsrecon main: {count} finding{'s' if count > 1 else ''}", "")
    shown = lines.count(f"- {line.message}")
    assert lines[shown:] == ([f"- and {count - shown} more"] if count > shown else [])
    assert len(content.encode()) <= 4096
    assert shown == count or len(content.encode()) > 4096 - 59


@pytest.mark.parametrize("robot", ["dingtalk", "feishu"])
def test_a_request_to_a_robot_stays_below_20_kb(receiver: Receiver, robot: str) -> None:
    receiver.answers = [(200, TAKEN[robot])]

    send_to(receiver.url, *[DOUBT] * 1000, webhook_format=robot, secret=SECRET)

    (body,) = receiver.bodies
    assert 15_000 < len(json.dumps(body, ensure_ascii=False).encode()) < 20_000


def test_without_findings_or_a_webhook_nothing_is_sent(receiver: Receiver) -> None:
    send_to(receiver.url)
    send_to("", LOW)

    assert receiver.bodies == []


# ── When it does not arrive ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_receiver_that_is_unavailable_is_tried_again(receiver: Receiver, status: int) -> None:
    receiver.answers = [(status, b""), (status, b""), (200, b"")]

    send_to(receiver.url, LOW)

    assert len(receiver.bodies) == 3


def test_a_receiver_that_stays_unavailable_is_tried_a_few_times(receiver: Receiver) -> None:
    receiver.answers = [(500, b"")]

    assert refusal(receiver.url) == "the alert may not have arrived: HTTP status 500; check alerts.webhook_url"
    assert len(receiver.bodies) == 4


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404])
def test_a_receiver_that_refuses_is_tried_once(receiver: Receiver, status: int) -> None:
    receiver.answers = [(status, b"")]

    assert refusal(receiver.url) == f"the alert may not have arrived: HTTP status {status}; check alerts.webhook_url"
    assert len(receiver.bodies) == 1


@pytest.mark.parametrize(
    ("robot", "answer", "code"),
    [
        ("dingtalk", b'{"errcode":310000,"errmsg":"keywords not in content"}', "310000"),
        ("wecom", b'{"errcode":93000,"errmsg":"invalid webhook url"}', "93000"),
        ("feishu", b'{"code":19021,"msg":"sign match fail or timestamp is not within one hour"}', "19021"),
        ("feishu", b'{"StatusCode":19024,"code":0}', "19024"),
    ],
)
def test_a_robot_that_refuses_with_status_200_raises_an_error(
    receiver: Receiver, robot: str, answer: bytes, code: str
) -> None:
    receiver.answers = [(200, answer)]

    message = refusal(receiver.url, webhook_format=robot)

    assert f"the robot refused it with code {code}, " in message
    assert message.endswith("; check alerts.webhook_url")
    assert len(receiver.bodies) == 1


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[0]", b"{}", b"\xff"])
def test_an_answer_that_is_not_a_robots_is_no_success(receiver: Receiver, answer: bytes) -> None:
    receiver.answers = [(200, answer)]

    assert "the answer does not come from a robot" in refusal(receiver.url, webhook_format="wecom")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"http://webhook.invalid/{TOKEN}", "ConnectError"),
        (f"http://127.0.0.1:99999/{TOKEN}", "ConnectError"),
        (f"http://a..b/{TOKEN}", "UnicodeError"),
        (f"http://127.0.0.1:{TOKEN}/", "InvalidURL"),
        (f"ftp://127.0.0.1/{TOKEN}", "UnsupportedProtocol"),
        (TOKEN, "UnsupportedProtocol"),
    ],
)
def test_a_wrong_address_is_an_error_that_does_not_show_it(url: str, reason: str) -> None:
    assert refusal(url) == f"the alert may not have arrived: {reason}; check alerts.webhook_url"


def test_neither_errors_nor_logs_hold_the_token(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    for name in (None, "httpx", "httpcore", "stamina"):
        caplog.set_level(logging.DEBUG, logger=name)
    receiver.answers = [(500, b""), (200, TAKEN["dingtalk"])]

    send_to(receiver.url, LOW, webhook_format="dingtalk", secret=SECRET)
    assert "ConnectError" in refusal(f"http://127.0.0.1:{free_port()}/{TOKEN}")

    records = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    assert "stamina.retry_scheduled" in records
    for canary in (TOKEN, SECRET, DINGTALK_SIGN["sign"]):
        assert canary not in records

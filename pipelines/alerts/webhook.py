"""Sends findings as one message to a webhook: the user's own, or a robot of DingTalk, WeCom or Feishu.

A robot's URL holds its token, so neither errors nor logs show it.
"""

import hmac
import json
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import httpx
import stamina

from pipelines.alerts.findings import Finding
from pipelines.errors import AlertRaised
from pipelines.settings import AlertSettings
from pipelines.times import CHINA

_TIMEOUT: Final = httpx.Timeout(10.0)
_ATTEMPTS: Final = 4

# The longest texts that robots accept, in bytes. DingTalk and Feishu accept requests of 20 kB, where JSON escapes make
# some characters longer.
_WECOM_LIMIT: Final = 4096
_OTHER_LIMIT: Final = 16_000

_STATUS_FIELDS: Final = ("errcode", "code", "StatusCode")  # a robot refuses with HTTP status 200 and one of these not 0


class _Unavailable(Exception):
    """The receiver answered that it can't accept messages at the moment."""


_TRANSIENT_ERRORS: Final = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError, _Unavailable)


def send(findings: Sequence[Finding], settings: AlertSettings, *, installation: str, at: datetime) -> None:
    """Post one message with all findings; does nothing without findings or without a webhook in the settings.

    Raises AlertRaised if the receiver did not confirm it, after a few attempts. It may arrive twice, since two alerts
    are better than none.
    """
    if not findings or not settings.webhook_url.get_secret_value():
        return
    try:
        response = _post(_request(findings, settings, installation, at))
    except _Unavailable as error:
        raise _unconfirmed(str(error)) from None
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise _unconfirmed(type(error).__name__) from None
    if not response.is_success:
        raise _unconfirmed(f"HTTP status {response.status_code}")
    if settings.webhook_format != "json":
        _check_robot_answer(response.content)


def _post(request: httpx.Request) -> httpx.Response:
    for attempt in stamina.retry_context(on=_TRANSIENT_ERRORS, attempts=_ATTEMPTS, wait_initial=1.0, wait_max=10.0):
        # The transport alone: httpx's client logs the whole URL at INFO. No proxy is used, as with the gateway.
        with attempt, httpx.HTTPTransport(trust_env=False) as transport:
            response = transport.handle_request(request)
            response.read()
            if response.is_server_error or response.status_code == httpx.codes.TOO_MANY_REQUESTS:
                raise _Unavailable(f"HTTP status {response.status_code}")
    return response


def _request(findings: Sequence[Finding], settings: AlertSettings, installation: str, at: datetime) -> httpx.Request:
    url = httpx.URL(settings.webhook_url.get_secret_value())
    secret = settings.webhook_secret.get_secret_value()
    title = f"smsrecon {installation}: {len(findings)} finding{'s' if len(findings) > 1 else ''}"
    body: dict[str, Any]
    match settings.webhook_format:
        case "json":
            body = {
                "source": "smsrecon",
                "installation": installation,
                "at": at.astimezone(CHINA).isoformat(),
                "findings": [finding.to_json() for finding in findings],
            }
        case "dingtalk":
            body = {"msgtype": "markdown", "markdown": {"title": title, "text": _text(title, findings, _OTHER_LIMIT)}}
            if secret:
                timestamp = str(int(at.timestamp() * 1000))
                sign = _hmac_sha256(secret, f"{timestamp}\n{secret}")
                url = url.copy_merge_params({"timestamp": timestamp, "sign": sign})
        case "wecom":
            body = {"msgtype": "markdown", "markdown": {"content": _text(title, findings, _WECOM_LIMIT)}}
        case "feishu":
            body = {"msg_type": "text", "content": {"text": _text(title, findings, _OTHER_LIMIT)}}
            if secret:
                timestamp = str(int(at.timestamp()))
                body |= {"timestamp": timestamp, "sign": _hmac_sha256(f"{timestamp}\n{secret}", "")}
    headers = {"User-Agent": "smsrecon"}
    return httpx.Request("POST", url, headers=headers, json=body, extensions={"timeout": _TIMEOUT.as_dict()})


def _text(title: str, findings: Sequence[Finding], limit: int) -> str:
    """The title and one line for each finding, as many as fit into `limit` bytes; the last line counts the others."""
    lines = [title, "", *(f"- {finding.message}" for finding in findings)]
    more: list[str] = []
    while len("\n".join(lines + more).encode()) > limit and len(lines) > 2:
        lines.pop()
        more = [f"- and {len(findings) - len(lines) + 2} more"]
    return "\n".join(lines + more)


def _hmac_sha256(key: str, content: str) -> str:
    return b64encode(hmac.digest(key.encode(), content.encode(), "sha256")).decode()


def _check_robot_answer(content: bytes) -> None:
    """Raise AlertRaised unless this is the answer of a robot that accepted the message."""
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    statuses = [answer[name] for name in _STATUS_FIELDS if name in answer] if isinstance(answer, dict) else []
    if not statuses:
        raise _unconfirmed("the answer does not come from a robot")
    refusals = [status for status in statuses if status != 0]
    if refusals:
        raise _unconfirmed(f"the robot refused it with code {str(refusals[0])[:12]}, see the robot's security settings")


def _unconfirmed(reason: str) -> AlertRaised:
    return AlertRaised(f"the alert may not have arrived: {reason}; check alerts.webhook_url")

"""Answers as the vendor writes them: compact JSON and XML, and the error codes with their messages.

The vendor doesn't document the shape of records, so field case, envelope and charset are settings.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Literal, NamedTuple

import msgspec

from pipelines.sandbox.settings import SandboxSettings

Format = Literal["json", "xml"]
Record = Mapping[str, str]

ACCEPTED = "000000"
SYSTEM_ERROR = "999999"


class ErrorText(NamedTuple):
    """The vendor's message, and how to get the code from the sandbox without a magic phone."""

    message: str
    trigger: str


ERRORS: Mapping[str, ErrorText] = {
    "000000": ErrorText("提交成功", "any good request"),
    "100001": ErrorText("参数格式错误", "a field missing or malformed, not UTF-8, or a `batchNum` accepted before"),
    "100002": ErrorText("账户不存在或状态异常", "an unknown `appKey`"),
    "100003": ErrorText("appSecret错误", "a wrong `appSecret`"),
    "100004": ErrorText(
        "请求IP不在白名单内(请在API设置页面添加白名单或与管理员联系)",
        "a caller that is not in `--allowed-peers`; on Linux, `curl --interface 127.0.0.2`",
    ),
    "100005": ErrorText("单次最大提交可1000条短信", "1001 phones"),
    "100006": ErrorText("missionNum数量必须与手机号数量一致", "more or fewer `missionNums` than `phones`"),
    "100007": ErrorText("有号码格式错误", "a phone that is not 11 digits from 13 to 19"),
    "100008": ErrorText("有号码在一定时间段内请求频次过多", "more messages to one phone than `--phone-limit`"),
    "100009": ErrorText("账户余额不足", "more segments than the balance"),
    "100010": ErrorText("日流量限制", "more messages in a day than `--daily-limit`"),
    "100011": ErrorText("找不到模板", "a `templateId` that is not in `--templates`"),
    "100012": ErrorText("短信条数需与手机号一致", "more or fewer texts than phones in `sendTplSms`"),
    "100013": ErrorText("短信内容与模板不匹配", "a text that does not match its template of `--templates`"),
    "100014": ErrorText("访问频率过高,请稍后再试", "more calls a second than `--requests-per-second`"),
    "999999": ErrorText("系统错误", "the phone `19999999999`, or the fault `system_error`"),
}  # fmt: skip
FETCHED_MESSAGE = "获取成功"

SNAKE_CASE = {
    "missionNum": "mission_num",
    "destId": "dest_id",
    "sendStatus": "send_status",
    "receiveStatus": "receive_status",
    "receiveRealStatus": "receive_real_status",
    "batchNum": "batch_num",
    "statTime": "stat_time",
    "srcId": "src_id",
    "content": "content",
    "moTime": "mo_time",
}
_CONTENT_TYPES: Mapping[Format, str] = {"json": "application/json", "xml": "text/xml"}


class Body(NamedTuple):
    """A body ready to be sent."""

    content: bytes
    content_type: str


@dataclass(frozen=True)
class AnswerWriter:
    """Writes answers in the shape that the settings choose."""

    settings: SandboxSettings

    def plain(self, form: Format, error_code: str) -> Body:
        """Answer of a send, or of any refused call."""
        return self._body(form, {"errorCode": error_code, "errorMsg": ERRORS[error_code].message})

    def balance(self, form: Format, count: int) -> Body:
        if form == "xml":  # the vendor's samples have another order in each format
            return self._body(form, {"errorCode": ACCEPTED, "errorMsg": FETCHED_MESSAGE, "count": count})
        return self._body(form, {"count": count, "errorCode": ACCEPTED, "errorMsg": FETCHED_MESSAGE})

    def records(self, form: Format, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Body:
        """Answer of a query: `rows` in the order of `columns`, which are camelCase names."""
        names = tuple(SNAKE_CASE[name] for name in columns) if self.settings.field_case == "snake" else columns
        head: dict[str, object] = {"errorCode": ACCEPTED, "errorMsg": FETCHED_MESSAGE}
        if form == "json":
            records = [dict(zip(names, row, strict=True)) for row in rows]
            return self._body(form, head | {self.settings.envelope: records})
        envelope = self.settings.envelope
        record = "report" if envelope == "reports" else "record"
        pattern = f"<{record}>" + "".join(f"<{name}>%s</{name}>" for name in names) + f"</{record}>"
        inner = "".join(pattern % tuple(map(escape, row)) for row in rows)
        return self._body(form, head, f"<{envelope}>{inner}</{envelope}>")

    def _body(self, form: Format, fields: Mapping[str, object], xml_records: str = "") -> Body:
        charset = self.settings.charset
        if form == "json":
            content = msgspec.json.encode(fields)
        else:
            declared = "UTF-8" if charset == "utf-8-sig" else charset.upper()
            inner = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in fields.items())
            head = f'<?xml version="1.0" encoding="{declared}" standalone="yes"?>'
            content = f"{head}<xml>{inner}{xml_records}</xml>".encode()
        if charset != "utf-8":
            content = content.decode().encode(charset)
        return Body(content, f"{_CONTENT_TYPES[form]};charset={charset.removesuffix('-sig').upper()}")

"""The columns of an export and the fields they hold: given by the operator, or guessed from headings, then from values.

A guess is shown to the operator before it is used. A column whose heading names another field is never guessed from its
values.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

from pipelines.message_ids import MISSION_NUM
from pipelines.phones import PHONE, has_unread_phone, national
from pipelines.tabular.values import is_time, without_clock

ExportKind = Literal["reports", "replies"]
FoundBy = Literal["heading", "values", "you"]

_SAMPLE_ROWS: Final = 1000
_MIN_SHARE: Final = 0.9  # of the non-empty values must have the form


@dataclass(frozen=True)
class Field:
    """A field of reports or replies: its possible headings in plain form (see `_plain`), the likeliest first, and the
    form of its values."""

    name: str
    headings: str
    is_required: bool = False
    shape: pl.Expr | None = None


@dataclass(frozen=True)
class MappedColumn:
    """A field and the column that holds it."""

    field: str
    heading: str
    found_by: FoundBy


class MappingError(ValueError):
    """A given mapping is not valid. The message says why."""


_PHONE: Final = national(pl.all()).str.contains(PHONE)
_CODE: Final = without_clock(pl.all()).str.contains(
    r"^(?:DELIVRD|UNDELIV|EXPIRED|REJECTD|DELETED|[A-Z]{2}:[A-Z0-9]{1,6}|[0-9]:[0-9]{1,4})$"
)
_TIME: Final = is_time(pl.all())
_MISSION_NUM: Final = pl.all().str.contains(MISSION_NUM)

_FIELDS: Final[Mapping[ExportKind, tuple[Field, ...]]] = {
    "reports": (
        Field(
            "phone",
            "destid phone phonenum phonenumber mobile mobilenumber mobilephone msisdn cellphone tel telephone 手机号 "
            "手机号码 手机 接收号码 接收手机 接收手机号 目标号码 目的号码 被叫号码 收信号码 用户号码 电话号码 电话 "
            "号码",
            is_required=True,
            shape=_PHONE,
        ),
        Field(
            "code",
            "receiverealstatus realstatus 状态码 状态代码 状态报告码 回执码 回执状态码 网关状态码 真实状态 网关状态 "
            "错误码 失败代码 statuscode statcode reportcode errorcode code 状态报告 回执状态 报告状态 状态值 回执 "
            "stat reportstatus deliverystatus status 状态 结果",
            is_required=True,
            shape=_CODE,
        ),
        Field(
            "stat_time",
            "stattime 状态时间 状态报告时间 报告时间 回执时间 完成时间 送达时间 到达时间 用户接收时间 接收时间 "
            "收到时间 返回时间 statustime reporttime receipttime donetime donedate deliverytime deliveredat "
            "deliveredtime finishtime completedat receivetime receivedat 时间 time",
            is_required=True,
            shape=_TIME,
        ),
        Field(
            "mission_num",
            "missionnum missionno missionid mission 任务工单号 任务号 任务编号 任务id 消息编号 消息号 消息id 短信编号 "
            "短信id 流水号 messageid msgid smsid",
            shape=_MISSION_NUM,
        ),
        Field(
            "batch_num",
            "batchnum batchno batchnumber batchid batch 批次 批次号 批次编号 批次id 批号",
        ),
        Field(
            "send_status",
            "sendstatus submitstatus 发送状态 提交状态",
        ),
        Field(
            "receive_status",
            "receivestatus 接收状态 到达状态 送达状态",
        ),
        Field(
            "sent_at",
            "sendtime senttime sentat submittime submittedat 发送时间 提交时间 下发时间",
        ),
    ),
    "replies": (
        Field(
            "phone",
            "srcid phone phonenum phonenumber mobile mobilenumber mobilephone msisdn cellphone tel telephone 手机号 "
            "手机号码 手机 上行号码 回复号码 发送号码 主叫号码 用户号码 电话号码 电话 号码 from sender",
            is_required=True,
            shape=_PHONE,
        ),
        Field(
            "content",
            "content 回复内容 上行内容 内容 消息内容 短信内容 replycontent mocontent reply message text",
            is_required=True,
        ),
        Field(
            "replied_at",
            "motime repliedat replytime 回复时间 上行时间 接收时间 收到时间 receivetime receivedat 时间 time",
            shape=_TIME,
        ),
        Field(
            "access_num",
            "destid accessnum accessnumber 接入号 接入号码 接入码 特服号 服务号码 通道号码 目标号码 目的号码 扩展号 "
            "扩展码 extnum extno ext",
        ),
    ),
}

# Headings of times that are not those of the report or the reply.
_OTHER_TIMES: Final = re.compile("提交|发送|创建|下发|定时|计划|submit|sen[dt]|creat|schedul|plan")

_SIMPLIFIED: Final = str.maketrans(
    "機號碼狀態報執時間務編內復覆電話進網關結達發創訊戶終標目爲為與計劃屬類別運營應簡費數條條給對實錯誤敗試擴單據處廣業員",
    "机号码状态报执时间务编内复复电话进网关结达发创讯户终标目为为与计划属类别运营应简费数条条给对实错误败试扩单据处广业员",
)


_HEADINGS: Final = frozenset(
    heading for fields in _FIELDS.values() for field in fields for heading in field.headings.split()
)
_PHONE_WORDS: Final = re.compile("手机|电话|联系方式|mobile|phone|msisdn|^tel|tel$")
_PHONE_HEADINGS: Final = frozenset(
    heading
    for fields in _FIELDS.values()
    for field in fields
    if field.name == "phone"
    for heading in field.headings.split()
)


def is_known_heading(text: str) -> bool:
    """True for a heading of reports or replies."""
    return _plain(text) in _HEADINGS


def is_phone_heading(text: str) -> bool:
    """True for a heading of phones, which no title consists of."""
    return _plain(text) in _PHONE_HEADINGS


def fields_of(kind: ExportKind) -> list[str]:
    return [field.name for field in _FIELDS[kind]]


def missing_fields(kind: ExportKind, mapped: Sequence[MappedColumn]) -> list[str]:
    """The required fields without a column."""
    found = {each.field for each in mapped}
    return [field.name for field in _FIELDS[kind] if field.is_required and field.name not in found]


def map_columns(kind: ExportKind, frame: pl.DataFrame, given: Sequence[str] = ()) -> list[MappedColumn]:
    """The columns that hold the fields of reports or replies, in the order of the fields.

    `given` are the operator's own: `field=heading`, several separated by commas; without a heading the field has no
    column. Raises MappingError for an unknown field or heading.
    """
    chosen = _parsed(kind, frame.columns, given)
    left = [heading for heading in frame.columns if heading not in chosen.values()]
    found = {name: MappedColumn(name, heading, "you") for name, heading in chosen.items() if heading}
    open_fields = [field for field in _FIELDS[kind] if field.name not in chosen]
    for field in open_fields:
        if heading := _by_heading(field, frame.select(left)):
            found[field.name] = MappedColumn(field.name, heading, "heading")
            left.remove(heading)
    unnamed = frame.select(heading for heading in left if not _names_a_field(kind, heading))
    for field in open_fields:
        if field.name not in found and (heading := _by_values(field, unnamed)):
            found[field.name] = MappedColumn(field.name, heading, "values")
    return [found[field.name] for field in _FIELDS[kind] if field.name in found]


def phone_columns(frame: pl.DataFrame) -> list[str]:
    """All columns that hold phones, for a list of people: one person's may stand in several.

    Their heading speaks of phones and they hold at least one, perhaps two in a cell; or nearly all their values are
    phones and their heading names nothing else. Landlines are no phones here.
    """
    phone = _FIELDS["reports"][0]
    held = frame.select((_PHONE | has_unread_phone(pl.all())).any()).row(0, named=True) if frame.width else {}
    fitting = _fitting(phone, frame)
    return [
        heading
        for heading in frame.columns
        if ((_plain(heading) in _PHONE_HEADINGS or _PHONE_WORDS.search(_plain(heading))) and held[heading])
        or (heading in fitting and _plain(heading) not in _HEADINGS - _PHONE_HEADINGS)
    ]


def _parsed(kind: ExportKind, headings: Sequence[str], given: Sequence[str]) -> dict[str, str]:
    """The headings that were given, by field; empty for a field without a column."""
    pairs = [pair for one in given for pair in re.split(r",(?=[a-z_]+=)", one)]
    chosen: dict[str, str] = {}
    for pair in pairs:
        name, sign, heading = pair.partition("=")
        name, heading = name.strip(), heading.strip()
        if not sign or name not in fields_of(kind):
            raise MappingError(f"a mapping is FIELD=HEADING, with a field of {', '.join(fields_of(kind))}")
        if heading and heading not in headings:
            raise MappingError(f"no column is headed '{heading}'; write the heading as it stands in the file")
        if heading and heading in chosen.values():
            raise MappingError(f"the column '{heading}' is given to two fields; give each its own")
        chosen[name] = heading
    return chosen


def _by_heading(field: Field, frame: pl.DataFrame) -> str | None:
    """The column with the likeliest of the field's headings; of several, one whose values have the field's form.

    So that of a `phone` with landlines and a `mobile` the second is taken.
    """
    names = [_plain(heading) for heading in frame.columns]
    headed = [frame.columns[names.index(known)] for known in field.headings.split() if known in names]
    fitting = _fitting(field, frame.select(headed)) if len(headed) > 1 else []
    return next(iter(fitting or headed), None)


def _by_values(field: Field, frame: pl.DataFrame) -> str | None:
    """The column whose values have the field's form, if there is exactly one."""
    fitting = _fitting(field, frame)
    return fitting[0] if len(fitting) == 1 else None


def _fitting(field: Field, frame: pl.DataFrame) -> list[str]:
    """The columns whose values have the field's form, in order."""
    if field.shape is None or frame.width == 0:
        return []
    shares = frame.head(_SAMPLE_ROWS).select(field.shape.mean()).row(0, named=True)  # of the non-empty values
    return [heading for heading, share in shares.items() if share is not None and share >= _MIN_SHARE]


def _names_a_field(kind: ExportKind, heading: str) -> bool:
    name = _plain(heading)
    return bool(_OTHER_TIMES.search(name)) or any(name in field.headings.split() for field in _FIELDS[kind])


def _plain(heading: str) -> str:
    """A heading in lower case and simplified characters, without punctuation and without parenthesised text."""
    text = unicodedata.normalize("NFKC", heading).lower().translate(_SIMPLIFIED)
    return re.sub(r"[\W_]", "", re.sub(r"\([^)]*\)", "", text))

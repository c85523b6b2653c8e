"""Validation of a send: the rules it must obey, and the error code that refuses it.

A strict reading of the vendor's page: a phone is 1, then 3 to 9, then nine digits; the same phone may come twice. One
error refuses the whole request. Rules with memory (balance, limits, repeated batch numbers) are in gateway.py.

A phone 1999999NNNN with NNNN from 0001 to 0014 gets its request refused with error code 10NNNN, and 19999999999 with
999999, so that any client can provoke every code without a setting.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import parse_qsl, unquote_plus

from pipelines.sandbox.answers import SYSTEM_ERROR

MAX_PHONES = 1000
MAGIC_PREFIX = "1999999"

_PHONES = re.compile(r"1[3-9][0-9]{9}(?:,1[3-9][0-9]{9})*")
_MISSION_NUMS = re.compile(r"[A-Za-z0-9_]{1,32}(?:,[A-Za-z0-9_]{1,32})*")
_BATCH_NUM = re.compile(r"[A-Za-z0-9_]{1,32}")
_EXTRA_NUM = re.compile(r"[0-9]{1,6}")
_SIGNATURE = re.compile(r"^【([^【】]+)】|【([^【】]+)】$")
_NOT_UTF8 = "\ufffd"


class Refusal(Exception):
    """The gateway refuses the request with an error code."""

    def __init__(self, error_code: str) -> None:
        super().__init__(error_code)
        self.error_code = error_code


@dataclass(frozen=True)
class Text:
    """A text to be sent, reduced to the facts that the truth keeps."""

    content_sha256: str
    segment_count: int
    signature: str | None


@dataclass(frozen=True)
class Submission:
    """A valid send. `texts` holds one text for all phones, or one for each."""

    phones: list[str]
    mission_nums: list[str] | None
    texts: list[Text]
    batch_num: str | None
    extra_num: str
    template_id: str | None

    @property
    def message_count(self) -> int:
        return len(self.phones)

    @property
    def segment_count(self) -> int:
        if len(self.texts) == 1:
            return self.texts[0].segment_count * len(self.phones)
        return sum(text.segment_count for text in self.texts)


def read_form(*sources: bytes) -> dict[str, str]:
    """Fields of form bodies and query strings, later sources winning. Bytes that are not UTF-8 become U+FFFD."""
    fields: dict[str, str] = {}
    for source in sources:
        # A comma needs no escape in a form, and 1000 fewer escapes make parsing ten times faster.
        text = source.replace(b"%2C", b",").decode(errors="replace")
        fields.update(parse_qsl(text, keep_blank_values=True))
    return fields


def read_submission(fields: Mapping[str, str], templates: Mapping[str, str] | None) -> Submission:
    """The send that `fields` describe; with `templates` it is a sendTplSms. Raises Refusal."""
    phones = fields.get("phones", "")
    content = fields.get("content", "")
    if not phones or not content or (templates is not None and not fields.get("templateId")):
        raise Refusal("100001")
    batch_num, extra_num = fields.get("batchNum") or None, fields.get("extraNum", "")
    if (batch_num and not _BATCH_NUM.fullmatch(batch_num)) or (extra_num and not _EXTRA_NUM.fullmatch(extra_num)):
        raise Refusal("100001")
    phone_count = phones.count(",") + 1
    if phone_count > MAX_PHONES:
        raise Refusal("100005")
    mission_nums = fields.get("missionNums") or None
    if mission_nums and not _MISSION_NUMS.fullmatch(mission_nums):
        raise Refusal("100001")
    if mission_nums and mission_nums.count(",") + 1 != phone_count:
        raise Refusal("100006")
    if not _PHONES.fullmatch(phones):
        raise Refusal("100007")
    if MAGIC_PREFIX in phones:
        _refuse_magic_phones(phones.split(","))
    return Submission(
        phones=phones.split(","),
        mission_nums=mission_nums.split(",") if mission_nums else None,
        texts=_read_texts(content, phone_count, fields.get("templateId", ""), templates),
        batch_num=batch_num,
        extra_num=extra_num,
        template_id=fields["templateId"] if templates is not None else None,
    )


def _refuse_magic_phones(phones: list[str]) -> None:
    for phone in phones:
        prefix, number = phone[:7], int(phone[7:])
        if prefix == MAGIC_PREFIX and 1 <= number <= 14:
            raise Refusal(f"10{number:04}")
        if prefix == MAGIC_PREFIX and number == 9999:
            raise Refusal(SYSTEM_ERROR)


def _read_texts(content: str, count: int, template_id: str, templates: Mapping[str, str] | None) -> list[Text]:
    if templates is None:
        return [_read_text(content)]
    if template_id not in templates:
        raise Refusal("100011")
    contents = [unquote_plus(part) for part in content.split(",")]
    if len(contents) != count:
        raise Refusal("100012")
    pattern = re.compile(".*".join(map(re.escape, templates[template_id].split("{}"))), re.DOTALL)
    texts = [_read_text(text) for text in contents]
    if not all(map(pattern.fullmatch, contents)):
        raise Refusal("100013")
    return texts


def _read_text(content: str) -> Text:
    if not content.strip() or _NOT_UTF8 in content:
        raise Refusal("100001")
    signature = _SIGNATURE.search(content)
    return Text(
        content_sha256=sha256(content.encode()).hexdigest(),
        segment_count=segments(content),
        signature=(signature[1] or signature[2]) if signature else None,
    )


def segments(content: str) -> int:
    """Billed parts of a text: up to 70 UTF-16 units are one; longer texts are cut at 67, or before a pair of units."""
    units = content.encode("utf-16-le")
    if len(units) <= 2 * 70:
        return 1
    count, place = 0, 0
    while place < len(units):
        place += 2 * 67
        ends_in_a_pair = 0xD8 <= int.from_bytes(units[place - 1 : place]) < 0xDC  # the high byte of the last unit
        place -= 2 * ends_in_a_pair
        count += 1
    return count

"""Reads the bytes of an answer into values; tolerant of form, strict about what counts as an answer.

The vendor documents no shape for reports and replies, so many are accepted: JSON or XML, UTF-8 or GBK, camelCase or
snake_case, any of four names for the list. Values stay text; the contracts check them. Bytes that are not an answer
raise UnreadableAnswer, and nothing else is ever raised.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

from pipelines.gateway.codes import ACCEPTED_CODE
from pipelines.gateway.document import SMALL, Document, Format, Tree, is_tree, is_value_bomb, json_text, nodes_at, parse

Columns = dict[str, list[str | None]]

LISTS = ("records", "data", "list", "reports")  # possible names of the list of records
_BYTES_OF_A_RECORD = 32  # at least: a phone and a text under their shortest names
_ERROR_CODE = ("errorCode", "error_code")
_ERROR_MSG = ("errorMsg", "error_msg")
_CODE = re.compile(r"[0-9A-Za-z_-]{1,10}")  # too short for a phone or a text, since it is shown to people
_COUNT = re.compile(r"-?[0-9]{1,18}")

# Possible name of a field → its column.
REPORT_FIELDS = {
    "missionNum": "mission_num",
    "mission_num": "mission_num",
    "destId": "phone",
    "dest_id": "phone",
    "sendStatus": "send_status",
    "send_status": "send_status",
    "receiveStatus": "receive_status",
    "receive_status": "receive_status",
    "receiveRealStatus": "code",
    "receive_real_status": "code",
    "batchNum": "batch_num",
    "batch_num": "batch_num",
    "statTime": "stat_time",
    "stat_time": "stat_time",
}
REPLY_FIELDS = {
    "srcId": "phone",
    "src_id": "phone",
    "content": "content",
    "destId": "access_num",
    "dest_id": "access_num",
    "moTime": "mo_time",
    "mo_time": "mo_time",
}


class UnreadableAnswer(ValueError):
    """The bytes are not an answer of the gateway. The message quotes none of them."""


@dataclass(frozen=True)
class Answer:
    """The head of every answer; `count` is the balance, in the answer to a query for it."""

    error_code: str
    error_msg: str
    count: int | None


@dataclass(frozen=True)
class Records:
    """The records of one answer as columns of equal length, in the order of the answer.

    Values are trimmed text; a missing or null field is None. `extra` is the JSON text of unknown fields. A record that
    is not an object is None in every column.
    """

    error_code: str
    error_msg: str
    columns: Columns = field(repr=False)
    extra: list[str | None] = field(repr=False)
    _document: Document = field(repr=False, compare=False)
    _path: tuple[str, ...] = field(repr=False, compare=False)

    @property
    def record_count(self) -> int:
        return len(self.extra)

    def raw(self, position: int) -> str:
        """The JSON text of one record as received (generated if it came as XML)."""
        return self._raw[position]

    def holding(self, raw_records: Iterable[str]) -> bytes:
        """A JSON answer with the same head and these records."""
        head = json_text({"errorCode": self.error_code, "errorMsg": self.error_msg})
        return f'{head[:-1]},"records":[{",".join(raw_records)}]}}'.encode()

    @cached_property
    def _raw(self) -> list[str]:
        return self._document.raw_texts(self._path)


def read_answer(body: bytes, format: Format) -> Answer:  # noqa: A002 - its name in settings and landing
    """The head of an answer. The format that was asked for is tried first."""
    tree, error_code, _ = _read(body, format)
    count = _head(tree, ("count",))
    return Answer(error_code, _head(tree, _ERROR_MSG), int(count) if _COUNT.fullmatch(count) else None)


def read_reports(body: bytes, format: Format) -> Records:  # noqa: A002
    """Columns mission_num, phone, send_status, receive_status, code, batch_num, stat_time."""
    return _read_records(body, format, REPORT_FIELDS)


def read_replies(body: bytes, format: Format) -> Records:  # noqa: A002
    """Columns phone, content, access_num, mo_time."""
    return _read_records(body, format, REPLY_FIELDS)


# ── The head ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _read(body: bytes, asked: Format) -> tuple[Tree, str, Document]:
    """The tree of an answer, its error code, and the document it came from."""
    if is_value_bomb(body):
        raise UnreadableAnswer(f"the answer of {len(body)} bytes holds more values than records have")
    parsed = parse(body, asked)
    if parsed is None:
        raise UnreadableAnswer(f"the answer of {len(body)} bytes is neither a JSON object nor XML")
    tree, document = parsed
    error_code = _head(tree, _ERROR_CODE)
    if not _CODE.fullmatch(error_code):
        raise UnreadableAnswer(f"the answer of {len(body)} bytes has no error code")
    return tree, error_code, document


def _head(tree: Tree, names: Sequence[str]) -> str:
    """The text or number under the first of the names that has one, else an empty string."""
    values = (tree.get(name) for name in names)
    return next((str(value).strip() for value in values if type(value) in (str, int)), "")


# ── The records ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_records(body: bytes, asked: Format, spellings: dict[str, str]) -> Records:
    tree, error_code, document = _read(body, asked)
    path = path_to_records(tree, spellings)
    if not path and error_code == ACCEPTED_CODE and _holds_something(tree, spellings):
        raise UnreadableAnswer("the answer holds records under an unknown name")
    records = nodes_at(tree, path) if path else []
    if len(body) > SMALL and len(records) * _BYTES_OF_A_RECORD > len(body):
        raise UnreadableAnswer(f"the answer of {len(body)} bytes holds {len(records)} records, too many for its size")
    try:
        columns, extra = columns_of(records, spellings)
    except RecursionError:
        raise UnreadableAnswer("the answer is nested too deeply") from None
    return Records(error_code, _head(tree, _ERROR_MSG), columns, extra, document, path)


def path_to_records(top: Tree, spellings: dict[str, str]) -> tuple[str, ...]:
    """The names that lead to the list of records, or to the only record; empty if the answer has no list."""
    path: tuple[str, ...] = ()
    node: object = top
    while is_tree(node) and not (path and _is_record(node, spellings)):
        name = _name_of_list(node, is_top=not path)
        if name is None:
            break
        path += (name,)
        node = node[name]
    return path


def _name_of_list(node: Tree, *, is_top: bool) -> str | None:
    names = [name for name in LISTS if name in node]
    if names:
        return next((name for name in names if node[name]), names[0])
    if is_top or len(node) != 1:
        return None
    ((name, value),) = node.items()  # the <record> of <records>, whatever it is called
    return name if isinstance(value, dict | list) else None


def _is_record(node: Tree, spellings: dict[str, str]) -> bool:
    return not spellings.keys().isdisjoint(node)


def _holds_something(top: Tree, spellings: dict[str, str]) -> bool:
    return _is_record(top, spellings) or any(value for value in top.values() if isinstance(value, dict | list))


def columns_of(records: Sequence[object], spellings: dict[str, str]) -> tuple[Columns, list[str | None]]:
    """The columns of records, and their unknown fields as JSON text.

    One pass over all records for each column: a call for each of a million records would be too slow.
    """
    objects = [record if is_tree(record) else {} for record in records]
    names = set(chain.from_iterable(objects))
    columns: Columns = {}
    for column in dict.fromkeys(spellings.values()):
        present = [name for name, meant in spellings.items() if meant == column and name in names]
        columns[column] = _texts(_values(objects, present))
    if names <= spellings.keys():
        return columns, [None] * len(objects)
    return columns, [_extra(each, spellings) for each in objects]


def _values(objects: Sequence[Tree], names: Sequence[str]) -> list[object]:
    """The values under the first of the names that holds one; all None without names."""
    if not names:
        return [None] * len(objects)
    values = [each.get(names[0]) for each in objects]
    for name in names[1:]:
        values = [each.get(name) if value is None else value for value, each in zip(values, objects, strict=True)]
    return values


def _texts(values: list[object]) -> list[str | None]:
    try:
        return list(map(str.strip, values))  # type: ignore[arg-type]  # a TypeError says that one is not text
    except TypeError:
        return [_text(value) for value in values]


def _text(value: object) -> str | None:
    if value is None:
        return None
    return value.strip() if isinstance(value, str) else json_text(value)


def _extra(record: Tree, spellings: dict[str, str]) -> str | None:
    unknown = {name: value for name, value in record.items() if name not in spellings}
    return json_text(unknown) if unknown else None

"""Reads the bytes of an answer into values; tolerant of form, strict about what counts as an answer.

The vendor documents no shape for reports and replies, so many are accepted: JSON or XML, UTF-8 or GBK, camelCase or
snake_case, any of four names for the list, or another name if its records have a field that is known; several lists, a
page of a list, a list as a JSON text. Values stay text; the contracts check them. Bytes that are not an answer raise
UnreadableAnswer, and nothing else is ever raised.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from operator import is_not

from pipelines.gateway.codes import ACCEPTED_CODE
from pipelines.gateway.document import (
    SMALL,
    Document,
    Format,
    Tree,
    is_tree,
    is_value_bomb,
    json_text,
    nodes_at,
    parse,
    parse_json,
)

Columns = dict[str, list[str | None]]
Path = tuple[str, ...]  # of names that lead to a node of a tree

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
    _paths: Sequence[Path] = field(repr=False, compare=False)

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
        return [text for path in self._paths for text in self._document.raw_texts(path)]


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
    try:
        unfolded = _unfolded(tree, spellings)
        if unfolded is not tree:
            tree, document = unfolded, Document(json_text(unfolded).encode(), "json")
        paths = paths_to_records(tree, spellings)
        if not paths and error_code == ACCEPTED_CODE and _holds_something(tree, spellings):
            raise UnreadableAnswer("the answer holds records under an unknown name")
        records = records_at(tree, paths)
        if len(body) > SMALL and len(records) * _BYTES_OF_A_RECORD > len(body):
            raise UnreadableAnswer(
                f"the answer of {len(body)} bytes holds {len(records)} records, too many for its size"
            )
        columns, extra = columns_of(records, spellings)
    except RecursionError:
        raise UnreadableAnswer("the answer is nested too deeply") from None
    return Records(error_code, _head(tree, _ERROR_MSG), columns, extra, document, paths)


def paths_to_records(top: Tree, spellings: dict[str, str]) -> list[Path]:
    """The path to each list of records, or to a single record; empty if the answer has no list."""
    names = _filled(top) or [name for name, value in top.items() if _holds_record(value, spellings)]
    names = names or [name for name in LISTS if name in top]
    paths = [path for name in names for path in _paths_below((name,), top[name], spellings)]
    return [path for path in paths if nodes_at(top, path)] or paths[:1]


def records_at(top: Tree, paths: Sequence[Path]) -> list[object]:
    """The records under all paths; a single list is not copied."""
    if len(paths) == 1:
        return nodes_at(top, paths[0])
    return [record for path in paths for record in nodes_at(top, path)]


def _paths_below(path: Path, node: object, spellings: dict[str, str]) -> list[Path]:
    """The paths to records at or below a node: the list or record itself, or what a page of a list holds."""
    if not is_tree(node) or _is_record(node, spellings):
        return [path]
    names = (
        _filled(node)
        or [name for name, value in node.items() if _holds_record(value, spellings)]
        or [name for name, value in node.items() if isinstance(value, list)]
        or [name for name in LISTS if name in node]
        or [name for name, value in node.items() if is_tree(value)]  # the <record> of <records>, whatever it is called
        or _empty_lists(node)
        or _zero_totals(node)
    )
    return [found for name in names for found in _paths_below((*path, name), node[name], spellings)] or [path]


def _empty_lists(node: Tree) -> list[str]:
    """The names that hold nothing on a page without records, beside which there are only counts."""
    return [name for name, value in node.items() if value in (None, "", [], {})] if _has_only_counts(node) else []


def _zero_totals(node: Tree) -> list[str]:
    """The names of totals that are 0 on a page without records or a list, beside which there are only counts."""
    is_zero = {name: isinstance(value, int | str) and str(value).strip() == "0" for name, value in node.items()}
    names = [name for name in node if is_zero[name] and re.search("total|count", name, re.IGNORECASE)]
    return names if _has_only_counts(node) else []


def _has_only_counts(node: Tree) -> bool:
    values = [value for value in node.values() if value]
    return all(isinstance(value, int | str) and re.fullmatch("[0-9]{1,9}", str(value)) for value in values)


def _filled(node: Tree) -> list[str]:
    """The names of lists that hold something; a text or number under such a name counts only if it is alone."""
    names = [name for name in LISTS if node.get(name)]
    return [name for name in names if isinstance(node[name], dict | list)] or names


def _is_record(node: Tree, spellings: dict[str, str]) -> bool:
    return not spellings.keys().isdisjoint(node)


def _holds_record(value: object, spellings: dict[str, str]) -> bool:
    if isinstance(value, list):
        return any(is_tree(item) and _is_record(item, spellings) for item in value)
    if not is_tree(value):
        return False
    return _is_record(value, spellings) or any(_holds_record(inner, spellings) for inner in value.values())


def _holds_something(top: Tree, spellings: dict[str, str]) -> bool:
    values = [value for value in top.values() if isinstance(value, dict | list) and value]
    return _is_record(top, spellings) or not all(is_tree(value) and _zero_totals(value) for value in values)


def _unfolded(top: Tree, spellings: dict[str, str]) -> Tree:
    """The tree with lists and records that are JSON texts as values; the tree itself if it has no such text."""

    def unfold(value: object) -> object:
        if isinstance(value, str):
            inner = parse_json(value.encode()) if value.lstrip()[:1] in ("[", "{") else None
            return inner if isinstance(inner, dict | list) else value
        if isinstance(value, list) and value and isinstance(value[0], str):
            items = [unfold(item) for item in value]
            return items if any(map(is_not, items, value)) else value
        if is_tree(value) and not _is_record(value, spellings):
            return unfolded(value, value)
        return value

    def unfolded(node: Tree, names: Iterable[str]) -> Tree:
        changed = {name: inner for name in names if (inner := unfold(node[name])) is not node[name]}
        return node | changed if changed else node

    return unfolded(top, [name for name in LISTS if name in top])


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

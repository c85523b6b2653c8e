"""Pushes from the vendor: XML with a head that names the account, and one or more reports or replies.

    <xml><head><app_key/> <time_stamp/> <nonce_str/> <sign/></head>
         <body> <records><record/>…</records> <dest/>… </body></xml>     one of both kinds, or both

Fields have the names they have in an answer, in snake_case or camelCase. The vendor doesn't document how `sign` is
computed, so the function that checks it is a setting; `md5_verifier` makes one of the most common form.
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import md5
from importlib import import_module
from typing import Final, Literal, TypeVar

from lxml import etree

from pipelines.errors import UsageError
from pipelines.gateway.document import Document, Tree, is_tree, json_text, parse, xml_root
from pipelines.gateway.usual_push import UsualPushes, read_usual
from pipelines.gateway.wire import REPLY_FIELDS, REPORT_FIELDS, Columns, Path, columns_of, paths_to_records, records_at

T = TypeVar("T")
PushKind = Literal["reports", "replies"]

_REPLIES: Final = "dest"


class UnreadablePush(ValueError):
    """The bytes are not a push. The message quotes none of them."""


class DamagedPush(UnreadablePush):
    """The bytes are not even XML, so nothing says whose push it is."""


@dataclass(frozen=True)
class PushHead:
    """Account, time, nonce and signature of a push; a missing field is empty."""

    app_key: str = field(repr=False)
    time_stamp: str
    nonce_str: str
    sign: str = field(repr=False)


Verify = Callable[[PushHead, bytes, str], bool]  # head, whole body, app_secret


def read_head(body: bytes) -> PushHead:
    """The head of a push. Raises DamagedPush if the bytes can't be parsed, UnreadablePush if they have no head."""
    return _head(_tree(body))


# ── The signature ─────────────────────────────────────────────────────────────────────────────────────────────────────


def verifier(chosen: str, sign_text: str) -> Verify:
    """The function that `receive.sign` names: none, md5, or the operator's own `module:function`.

    Raises UsageError if that can't be imported.
    """
    if chosen == "none":
        return lambda _head, _body, _secret: True
    if chosen == "md5":
        return md5_verifier(sign_text)
    module, _, name = chosen.partition(":")
    try:
        verify: Verify = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"receive.sign: {chosen} can't be imported ({error}); set none, md5 or module:function"
        ) from None
    return verify


def md5_verifier(sign_text: str) -> Verify:
    """Verifier by the hex MD5 of fields of the head and the secret, such as `{app_key}{time_stamp}{app_secret}`."""

    def verify(head: PushHead, _: bytes, app_secret: str) -> bool:
        fields = {"app_key": head.app_key, "time_stamp": head.time_stamp, "nonce_str": head.nonce_str}
        signed = sign_text.format(**fields, app_secret=app_secret)
        expected = md5(signed.encode()).hexdigest()  # noqa: S324  the vendor's choice
        return hmac.compare_digest(expected.encode(), head.sign.lower().encode())

    return verify


# ── The records ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class PushedRecords:
    """Records of one kind from many pushes, as columns of equal length, and the position of each record's push."""

    kind: PushKind
    columns: Columns = field(repr=False)
    extra: list[str | None] = field(repr=False)
    push: list[int]
    place: list[int]  # position of each record in its push, where reports come before replies
    _records: list[object] = field(repr=False)  # trees; of a usual push its bytes

    def raw(self, position: int) -> str:
        """The JSON text of one record, generated from its element."""
        record = self._records[position]
        return json_text(_records(_tree(record))[0][0] if isinstance(record, bytes) else record)


@dataclass(frozen=True)
class Pushed:
    """The records of many pushes; `faults` maps the position of an unreadable push to the reason."""

    reports: PushedRecords
    replies: PushedRecords
    faults: Mapping[int, str]


def read_pushes(bodies: Sequence[bytes]) -> Pushed:
    """The records of pushes; columns as in wire.py. A reply without a time of its own gets its push's `time_stamp`."""
    usual = read_usual(bodies)
    records: dict[PushKind, _Found] = {"reports": _Found(), "replies": _Found()}
    faults: dict[int, str] = {}
    for push in usual.others:
        try:
            reports, replies = _records(_tree(bodies[push]))
        except UnreadablePush as error:
            faults[push] = str(error)
            continue
        records["reports"].add(push, reports, first_place=0)
        records["replies"].add(push, replies, first_place=len(reports))
    return Pushed(
        _with_usual(_pushed("reports", records["reports"], REPORT_FIELDS), usual, bodies),
        _pushed("replies", records["replies"], REPLY_FIELDS),
        faults,
    )


def edited(body: bytes, edit: Callable[[etree._Element, int], bool]) -> bytes:
    """The push with edited records. `edit` gets each record and its position, changes it in place, and returns False
    to drop it.

    Raises UnreadablePush if the push has no body.
    """
    tree, document = _parsed(body)
    root = xml_root(document.body)
    top = None if root is None else root.find("body")
    if root is None or top is None:
        raise UnreadablePush("the push has no body")
    reports, replies = _paths(_body(tree))
    records = [record for path in (*reports, *replies) for record in _elements(top, path)]
    for place, record in enumerate(records):
        parent = record.getparent()
        if not edit(record, place) and parent is not None:
            parent.remove(record)
    content: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return content


def _elements(top: etree._Element, path: Path) -> list[etree._Element]:
    """The elements of the nodes under `path`; as there, a single empty element counts as none."""
    found = top.findall("/".join(path))
    return [each for each in found if len(found) > 1 or len(each) or (each.text or "").strip()]


@dataclass
class _Found:
    """Records of one kind, the push of each, and its position there."""

    records: list[object] = field(default_factory=list)
    push: list[int] = field(default_factory=list)
    place: list[int] = field(default_factory=list)

    def add(self, push: int, records: Sequence[object], *, first_place: int) -> None:
        self.records += records
        self.push += [push] * len(records)
        self.place += range(first_place, first_place + len(records))


def _pushed(kind: PushKind, found: _Found, spellings: dict[str, str]) -> PushedRecords:
    columns, extra = columns_of(found.records, spellings)
    return PushedRecords(kind, columns, extra, found.push, found.place, found.records)


def _with_usual(reports: PushedRecords, usual: UsualPushes, bodies: Sequence[bytes]) -> PushedRecords:
    """The reports of the usual pushes and of the others, in the order of the pushes."""
    if not usual.pushes:
        return reports
    push = usual.pushes + reports.push
    order = sorted(range(len(push)), key=push.__getitem__)

    def merged(of_usual: list[T], of_others: list[T]) -> list[T]:
        return list(map((of_usual + of_others).__getitem__, order)) if of_others else of_usual

    count = len(usual.pushes)
    return PushedRecords(
        "reports",
        {name: merged(usual.columns[name], column) for name, column in reports.columns.items()},
        merged([None] * count, reports.extra),
        merged(usual.pushes, reports.push),
        merged([0] * count, reports.place),
        merged([bodies[each] for each in usual.pushes], reports._records),
    )


def _records(tree: Tree) -> tuple[list[object], list[object]]:
    """The reports and the replies of a push."""
    head, body = _head_tree(tree), _body(tree)
    reports, replies = _paths(body)
    if not replies:
        return records_at(body, reports), []
    stamp = {"mo_time": _text(head, "time_stamp")}
    return records_at(body, reports), [stamp | _own(record) for record in records_at(body, replies)]


def _paths(body: Tree) -> tuple[list[Path], list[Path]]:
    """The paths to the reports and to the replies of a push."""
    replies: list[Path] = [(_REPLIES,)] if _REPLIES in body else []
    reports = paths_to_records({name: value for name, value in body.items() if name != _REPLIES}, REPORT_FIELDS)
    if not reports and not replies:
        raise UnreadablePush("the push holds neither reports nor a reply")
    return reports, replies


def _body(tree: Tree) -> Tree:
    body = tree.get("body")
    if not is_tree(body):
        raise UnreadablePush("the push has no body")
    return body


def _own(record: object) -> Tree:
    """The fields of a reply without an empty time, so that the time of its push takes effect."""
    fields = record if is_tree(record) else {}
    return {name: value for name, value in fields.items() if value or REPLY_FIELDS.get(name) != "mo_time"}


def _tree(body: bytes) -> Tree:
    return _parsed(body)[0]


def _parsed(body: bytes) -> tuple[Tree, Document]:
    parsed = parse(body, "xml")
    if parsed is None or parsed[1].format != "xml":
        raise DamagedPush(f"the push of {len(body)} bytes is not XML")
    return parsed


def _head_tree(tree: Tree) -> Tree:
    head = tree.get("head")
    if not is_tree(head):
        raise UnreadablePush("the push has no head")
    return head


def _head(tree: Tree) -> PushHead:
    head = _head_tree(tree)
    return PushHead(**{name: _text(head, name) for name in ("app_key", "time_stamp", "nonce_str", "sign")})


def _text(head: Tree, name: str) -> str:
    first, *rest = name.split("_")
    value = head.get(name) or head.get(first + "".join(map(str.capitalize, rest)))
    return value.strip() if isinstance(value, str) else ""

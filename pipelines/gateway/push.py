"""Pushes from the vendor: XML with a head that names the account, and one or more reports or replies.

    <xml><head><app_key/> <time_stamp/> <nonce_str/> <sign/></head>
         <body> <records><record/>…</records>  or  <dest/> </body></xml>

Fields have the names they have in an answer, in snake_case or camelCase. The vendor doesn't document how `sign` is
computed, so the function that checks it is a setting; `md5_verifier` makes one of the most common form.
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import md5
from importlib import import_module
from typing import Final, Literal

from lxml import etree

from pipelines.errors import UsageError
from pipelines.gateway.document import Document, Tree, is_tree, json_text, nodes_at, parse, xml_root
from pipelines.gateway.wire import LISTS, REPLY_FIELDS, REPORT_FIELDS, Columns, columns_of, path_to_records

PushKind = Literal["reports", "replies"]

_REPLY_LISTS: Final = ("dest",)


class UnreadablePush(ValueError):
    """The bytes are not a push. The message quotes none of them."""


@dataclass(frozen=True)
class PushHead:
    """Account, time, nonce and signature of a push; a missing field is empty."""

    app_key: str = field(repr=False)
    time_stamp: str
    nonce_str: str
    sign: str = field(repr=False)


Verify = Callable[[PushHead, bytes, str], bool]  # head, whole body, app_secret


def read_head(body: bytes) -> PushHead:
    """The head of a push. Raises UnreadablePush if the bytes are not XML with a head."""
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
    place: list[int]  # position of each record in its push
    _records: list[object] = field(repr=False)

    def raw(self, position: int) -> str:
        """The JSON text of one record, generated from its element."""
        return json_text(self._records[position])


@dataclass(frozen=True)
class Pushed:
    """The records of many pushes; `faults` maps the position of an unreadable push to the reason."""

    reports: PushedRecords
    replies: PushedRecords
    faults: Mapping[int, str]


def read_pushes(bodies: Sequence[bytes]) -> Pushed:
    """The records of pushes; columns as in wire.py. A reply without a time of its own gets that of its push."""
    records: dict[PushKind, _Found] = {"reports": _Found(), "replies": _Found()}
    faults: dict[int, str] = {}
    for push, body in enumerate(bodies):
        try:
            kind, found = _records(_tree(body))
        except UnreadablePush as error:
            faults[push] = str(error)
            continue
        records[kind].records += found
        records[kind].push += [push] * len(found)
        records[kind].place += range(len(found))
    return Pushed(
        _pushed("reports", records["reports"], REPORT_FIELDS),
        _pushed("replies", records["replies"], REPLY_FIELDS),
        faults,
    )


def edited(body: bytes, edit: Callable[[etree._Element, int], bool]) -> bytes:
    """The push with edited records. `edit` gets each record and its position, changes it in place, and returns False
    to drop it.

    Raises UnreadablePush if the push has no body.
    """
    root = xml_root(_parsed(body)[1].body)
    top = None if root is None else root.find("body")
    if root is None or top is None:
        raise UnreadablePush("the push has no body")
    replies = [record for name in _REPLY_LISTS for record in top.findall(name)]
    lists = [found for name in LISTS if (found := top.find(name)) is not None]
    for place, record in enumerate(replies or list(lists[0] if lists else ())):
        parent = record.getparent()
        if not edit(record, place) and parent is not None:
            parent.remove(record)
    content: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return content


@dataclass
class _Found:
    """Records of one kind, the push of each, and its position there."""

    records: list[object] = field(default_factory=list)
    push: list[int] = field(default_factory=list)
    place: list[int] = field(default_factory=list)


def _pushed(kind: PushKind, found: _Found, spellings: dict[str, str]) -> PushedRecords:
    columns, extra = columns_of(found.records, spellings)
    return PushedRecords(kind, columns, extra, found.push, found.place, found.records)


def _records(tree: Tree) -> tuple[PushKind, list[object]]:
    head, body = _head(tree), tree.get("body")
    if not is_tree(body):
        raise UnreadablePush("the push has no body")
    for name in _REPLY_LISTS:
        if name in body:
            time = _china_time(head.time_stamp)
            return "replies", [{"mo_time": time, **_own(record)} for record in nodes_at(body, (name,))]
    path = path_to_records(body, REPORT_FIELDS)
    if not path:
        raise UnreadablePush("the push holds neither reports nor a reply")
    return "reports", nodes_at(body, path)


def _own(record: object) -> Tree:
    """The fields of a reply without an empty time, so that the time of its push takes effect."""
    fields = record if is_tree(record) else {}
    return {name: value for name, value in fields.items() if value or REPLY_FIELDS.get(name) != "mo_time"}


def _china_time(stamp: str) -> str | None:
    """`20160823143033` as `2016-08-23 14:30:33`; None for any other form."""
    if len(stamp) != 14 or not stamp.isdecimal():
        return None
    return f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]} {stamp[8:10]}:{stamp[10:12]}:{stamp[12:]}"


def _tree(body: bytes) -> Tree:
    return _parsed(body)[0]


def _parsed(body: bytes) -> tuple[Tree, Document]:
    parsed = parse(body, "xml")
    if parsed is None or parsed[1].format != "xml":
        raise UnreadablePush(f"the push of {len(body)} bytes is not XML")
    return parsed


def _head(tree: Tree) -> PushHead:
    head = tree.get("head")
    if not is_tree(head):
        raise UnreadablePush("the push has no head")
    return PushHead(**{name: _text(head, name) for name in ("app_key", "time_stamp", "nonce_str", "sign")})


def _text(head: Tree, name: str) -> str:
    first, *rest = name.split("_")
    value = head.get(name) or head.get(first + "".join(map(str.capitalize, rest)))
    return value.strip() if isinstance(value, str) else ""

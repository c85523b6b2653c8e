"""Parses the bytes of an answer into a tree, from JSON or XML in UTF-8 or GBK; bad characters suffer alone.

Nothing here knows the meaning of an answer, and nothing raises: bytes that can't be parsed give None.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html.entities import html5
from typing import Any, Literal, TypeGuard
from xml.sax.saxutils import escape

import msgspec
from lxml import etree

Format = Literal["json", "xml"]
Tree = dict[str, object]  # of trees, lists, texts, ints, bools and None; a JSON float is text, digits as they stand

SMALL = 2**20  # bytes; the tree of a smaller body always fits into memory
_SIGNS = (b"{", b"[", b",", b"<", b"=")  # one of these stands before every value but the first

json_text: Callable[[object], str] = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True)
class Document:
    """A parsed body in UTF-8 and its format, without its tree, which is far larger."""

    body: bytes = field(repr=False)
    format: Format

    def raw_texts(self, path: Sequence[str]) -> list[str]:
        """The JSON text of each node under `path`, as received; from XML it is generated."""
        if self.format == "xml":
            return [json_text(node) for node in nodes_at(_parse_xml(self.body), path)]
        raw = msgspec.Raw(self.body)
        for name in path:
            raw = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])[name]
        try:
            texts = msgspec.json.decode(raw, type=list[msgspec.Raw])
        except msgspec.ValidationError:  # not a list but a single node
            texts = [raw]
        return [bytes(text).decode() for text in texts]


def nodes_at(tree: object, path: Sequence[str]) -> list[object]:
    """The list under `path`, which must exist; a single node becomes a list of one, an empty node or 0 an empty one."""
    node: Any = tree
    for name in path:
        node = node[name]
    if isinstance(node, list):
        return node
    is_nothing = node is None or node == {} or (type(node) in (str, int) and str(node).strip() in ("", "0"))
    return [] if is_nothing else [node]


def is_tree(value: object) -> TypeGuard[Tree]:
    return type(value) is dict


def is_value_bomb(body: bytes) -> bool:
    """True for a large body with a value in every eighth byte: its tree could be 70 times as large as the body.

    A report as the gateway writes it has at most one in 17 bytes, so such a body can't be a list of reports.
    """
    return len(body) > SMALL and sum(map(body.count, _SIGNS)) * 8 > len(body)


def parse(body: bytes, asked: Format) -> tuple[Tree, Document] | None:
    """Try the bytes as they are, then transcoded, then repaired; each in the format asked for, then in the other."""
    formats: tuple[Format, Format] = ("json", "xml") if asked == "json" else ("xml", "json")
    for utf8 in _as_utf8(body.strip().removeprefix(b"\xef\xbb\xbf").strip()):
        for form in formats:
            tree = _PARSERS[form](utf8)
            if is_tree(tree):
                return tree, Document(utf8, form)
    return None


def _as_utf8(body: bytes) -> Iterator[bytes]:
    """The body itself, which nearly always is UTF-8; then transcoded and repaired, whatever encoding it declares."""
    yield body
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = body.decode("utf-8" if is_utf8(body) else "gb18030", errors="replace")
        yield text.encode()
    yield from _repaired_xml(text) if text.startswith("<") else _repaired_json(text)


# ── The encoding ──────────────────────────────────────────────────────────────────────────────────────────────────────

_REPLACEMENT = "\ufffd"
_THREE_BYTES_OR_MORE = re.compile("[\u0800-\U0010ffff]")


def is_utf8(body: bytes) -> bool:
    """True for UTF-8, with a few bad places too; else the body can only be GB18030.

    Nearly all bytes are valid GB18030, so how much of it fails decides nothing: of short Chinese texts in UTF-8 with
    one bad byte, two fifths fail less in GB18030. But a text in GB18030 has hardly a character of three bytes in UTF-8,
    and at least one place that fails in nearly every character; a bad byte in UTF-8 makes three such places at most.
    """
    text = body.decode(errors="replace")
    replaced = text.count(_REPLACEMENT)
    wrong = replaced - body.count(_REPLACEMENT.encode())  # not counting what somebody else replaced
    return wrong == 0 or wrong <= _THREE_BYTES_OR_MORE.subn("", text)[1] - replaced


# ── The repair ────────────────────────────────────────────────────────────────────────────────────────────────────────

_ESCAPE = re.compile(r'(\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))|\\')
_TAG = r"""/?[A-Za-z_][\w.:-]*(?:\s+[\w.:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*\s*/?>"""
_MARKUP = re.compile(
    r"(?P<cdata><!\[CDATA\[.*?(?:\]\]>|\Z))"
    r"|&(?:#(?P<decimal>[0-9]{1,10})|#[xX](?P<hex>[0-9a-fA-F]{1,8})|(?P<name>[0-9A-Za-z]{1,32}));"
    rf"|&|<(?!{_TAG}|!--|!DOCTYPE|\?[A-Za-z])|\]\]>",
    re.DOTALL,
)
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_XML_NAMES = ("amp", "lt", "gt", "quot", "apos")


def _repaired_json(text: str) -> Iterator[bytes]:
    """Strict JSON from JSON whose texts hold raw control characters, half an emoji or a backslash of their own."""
    try:
        text = _ESCAPE.sub(lambda found: found[1] or r"\\", text)
        value = json.loads(text, strict=False, parse_int=str, parse_float=str, parse_constant=str)
        yield _without_halves(json.dumps(value, ensure_ascii=False)).encode()
    except (ValueError, RecursionError):
        return


def _repaired_xml(text: str) -> Iterator[bytes]:
    """XML from XML whose texts hold what XML forbids: control characters, an emoji as two references, a raw & or <,
    references to the names of HTML. What stands for no character becomes the replacement character.
    """
    text = _MARKUP.sub(_escaped, text)
    yield _NOT_XML.sub(_REPLACEMENT, _without_halves(text)).encode()


def _without_halves(text: str) -> str:
    """The text with two halves of an emoji joined, and the replacement character for one alone."""
    return text.encode("utf-16-le", errors="surrogatepass").decode("utf-16-le", errors="replace")


def _escaped(found: re.Match[str]) -> str:
    """The text that _MARKUP found, in valid XML; a reference to a character that XML forbids becomes that character."""
    if found["cdata"] or found["name"] in _XML_NAMES:
        return found[0]
    if found["decimal"] or found["hex"]:
        code = int(found["decimal"]) if found["decimal"] else int(found["hex"], 16)
        if code > sys.maxunicode:
            return _REPLACEMENT
        return chr(code) if _NOT_XML.match(chr(code)) else f"&#{code};"
    return escape(html5.get(found[0].removeprefix("&"), found[0]))


_JSON = msgspec.json.Decoder(float_hook=str)  # a float would lose digits; an int does not


def parse_json(body: bytes) -> object:
    """The value of a JSON text in UTF-8; None if it can't be parsed."""
    try:
        return _JSON.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


_XML = etree.XMLParser(  # one for all: making it costs as much as a push of one record
    encoding="utf-8",  # the body is UTF-8 by now, whatever its declaration says
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    huge_tree=False,
    remove_comments=True,
    remove_pis=True,
)


def xml_root(body: bytes) -> etree._Element | None:
    """The root element of UTF-8 XML; None if it can't be parsed or has a document type, which only attacks need."""
    try:
        root = etree.fromstring(body, _XML)
    except etree.XMLSyntaxError:
        return None
    return None if root.getroottree().docinfo.internalDTD is not None else root


def _parse_xml(body: bytes) -> object:
    """The tree of an XML body: elements become objects, repeated ones lists."""
    root = xml_root(body)
    try:
        return None if root is None else _element_value(root)
    except RecursionError:
        return None


_PARSERS: dict[Format, Callable[[bytes], object]] = {"json": parse_json, "xml": _parse_xml}


def _element_value(element: etree._Element) -> object:
    if not len(element):
        return element.text or ""
    tree: Tree = {}
    lists: dict[str, list[object]] = {}
    for child in element:
        tag = sys.intern(child.tag)  # the keys of a million records are one text
        value = _element_value(child) if len(child) else child.text or ""
        if tag not in tree:
            tree[tag] = value
        elif tag in lists:
            lists[tag].append(value)
        else:
            tree[tag] = lists[tag] = [tree[tag], value]
    return tree

"""Spoilt answers: answers as the sandbox writes them, changed in ways that hurt parsers.

The same number always gives the same bytes, so that a case can be reproduced. Some changes are structural (a JSON
value, an XML element), others change bytes blindly.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pipelines.landing.calls import CallKind
from pipelines.sandbox.answers import AnswerWriter, Format
from pipelines.sandbox.settings import SandboxSettings

CANARY = "canary-of-an-external-entity"  # the content behind every external entity

Dice = random.Random
Change = Callable[[bytes, "Dice", "EntityTarget"], bytes]

_REPORT = ("missionNum", "destId", "sendStatus", "receiveStatus", "receiveRealStatus", "batchNum", "statTime")
_REPLY = ("srcId", "content", "destId", "moTime")
_TEXTS = ("退订", "T", "好的,謝謝🙏", "<&>\"'\\", "two\nlines", "【公司】您好", "a" * 70, "")
_CODES = ("DELIVRD", "0", "MK:0001", "2:12", "YF:13", "新码")


@dataclass(frozen=True)
class EntityTarget:
    """A file and a server that external entities point to, and that a parser must not read."""

    file_uri: str
    http_uri: str


@dataclass(frozen=True)
class Case:
    """A spoilt answer, the kind and format asked for, and the changes."""

    number: int
    kind: CallKind
    format: Format
    body: bytes = field(repr=False)
    changes: tuple[str, ...]


def case(number: int, target: EntityTarget) -> Case:
    """The case of this number; every sixteenth is an unchanged answer."""
    dice = random.Random(number)
    kind, form, body = dice.choice(_answers())
    names = [dice.choice(_NAMES) for _ in range(dice.choice((1, 1, 1, 2, 2, 3)) if number % 16 else 0)]
    for name in names:
        body = _CHANGES[name](body, dice, target)
    asked = form if dice.random() < 0.8 else dice.choice(("json", "xml"))
    return Case(number, kind, asked, body, tuple(names))


# ── Answers ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def _answers() -> tuple[tuple[CallKind, Format, bytes], ...]:
    """Every kind of answer in every form of the sandbox."""
    dice = random.Random(0)
    found: list[tuple[CallKind, Format, bytes]] = []
    for charset in get_args(get_type_hints(SandboxSettings)["charset"]):
        for envelope in get_args(get_type_hints(SandboxSettings)["envelope"]):
            for case_of_fields in get_args(get_type_hints(SandboxSettings)["field_case"]):
                settings = SandboxSettings(truth=Path(), charset=charset, envelope=envelope, field_case=case_of_fields)
                writer = AnswerWriter(settings)
                for form in ("json", "xml"):
                    for count in (0, 1, 5):
                        reports = [_report(dice) for _ in range(count)]
                        replies = [_reply(dice) for _ in range(count)]
                        found.append(("reports", form, writer.records(form, _REPORT, reports).content))
                        found.append(("replies", form, writer.records(form, _REPLY, replies).content))
                    found.append(("balance", form, writer.balance(form, dice.randrange(10**6)).content))
                    found.append(("balance", form, writer.plain(form, dice.choice(("000000", "100003"))).content))
    return tuple(found)


def _report(dice: Dice) -> tuple[str, ...]:
    code = dice.choice(_CODES)
    return (
        f"0A1B2C3{dice.randrange(10**4):09}",
        dice.choice(("", "86")) + f"138{dice.randrange(10**8):08}",
        "SUCCESS",
        "SUCCESS" if code in ("0", "DELIVRD") else "FAIL",
        code,
        dice.choice(("", " ")) + "0A1B2C3B00000001",
        f"2026-11-{dice.randrange(1, 31):02} {dice.randrange(24):02}:30:00",
    )


def _reply(dice: Dice) -> tuple[str, ...]:
    phone = f"86138{dice.randrange(10**8):08}"
    return phone, dice.choice(_TEXTS), "10690001", dice.choice(("", "2026-11-20 12:00:00"))


# ── Changes of bytes ──────────────────────────────────────────────────────────────────────────────────────────────────

_TOKENS = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\x80", b"\xf0\x9f\x98", b"{", b"}", b"[", b"]", b'"',
    b",", b":", b"<", b">", b"</", b"/>", b"&", b"&#0;", b"&#x110000;", b"&amp;", b"<![CDATA[", b"]]>", b"<!--", b"-->",
    b"<?", b"?>", b"\\u0000", b"\\ud83d", b"\\udc00\\ud800", b"null", b"NaN", b"-Infinity", b"1e999999999", b"\\",
    b"\r\n", b"\x1b", b"\xe2\x80\xa8",
)  # fmt: skip


def _cut(body: bytes, dice: Dice, _: EntityTarget) -> bytes:
    return body[: dice.randrange(len(body) + 1)]


def _behead(body: bytes, dice: Dice, _: EntityTarget) -> bytes:
    return body[dice.randrange(len(body) + 1) :]


def _flip(body: bytes, dice: Dice, _: EntityTarget) -> bytes:
    flipped = bytearray(body)
    for _ in range(dice.randrange(1, 8)):
        if flipped:
            flipped[dice.randrange(len(flipped))] ^= 1 << dice.randrange(8)
    return bytes(flipped)


def _splice(body: bytes, dice: Dice, _: EntityTarget) -> bytes:
    """The beginning of one answer and the end of another."""
    other = dice.choice(_answers())[2]
    return body[: dice.randrange(len(body) + 1)] + other[dice.randrange(len(other)) :]


def _insert(body: bytes, dice: Dice, _: EntityTarget) -> bytes:
    at = dice.randrange(len(body) + 1)
    return body[:at] + dice.choice(_TOKENS) * dice.choice((1, 1, 1, 2, 40)) + body[at:]


def _repeat(body: bytes, dice: Dice, _: EntityTarget) -> bytes:
    """A part repeated, so that keys, elements and values occur several times."""
    start = dice.randrange(len(body) + 1)
    end = dice.randrange(start, len(body) + 1)
    return body[:end] + body[start:end] * dice.choice((1, 2, 7)) + body[end:]


def _miscoded(body: bytes, dice: Dice, _: EntityTarget) -> bytes:
    """The same text in an unexpected charset."""
    text = body.decode(errors="replace")
    charset = dice.choice(("utf-16", "utf-16-be", "utf-32", "utf-7", "gb18030", "big5", "latin-1", "shift-jis"))
    return text.encode(charset, errors="replace")


def _misdeclared(body: bytes, dice: Dice, _: EntityTarget) -> bytes:
    """A wrong charset in the XML declaration, or a declaration where it doesn't belong."""
    said = dice.choice((b"utf-16", b"GBK", b"latin-1", b"UTF-7", b"IBM037", b"none-such", b"UCS-4", b""))
    for charset in (b"UTF-8", b"GB18030"):
        if b'"' + charset + b'"' in body:
            return body.replace(b'"' + charset + b'"', b'"' + said + b'"', 1)
    return b'<?xml version="1.0" encoding="' + said + b'"?>' + body


# ── Changes of JSON ───────────────────────────────────────────────────────────────────────────────────────────────────

_RAW = "\x01raw\x01"  # placeholder for JSON text that no Python value produces

_HOSTILE_JSON = (
    "NaN", "Infinity", "-0", "1e400", "1E-400", "0.1e1", "-1", "01", "9" * 400, "9" * 4301, "1." + "0" * 400, "1e5",
    "1e9999999", "18446744073709551616", "null", "true", "{}", "[]", '""', '" "', "[[]]", '{"a":{"a":{}}}', '{"":""}',
    '"\\u0000"', '"\\ud800"', '"\\uDC00x"', '"\x00"', '"\n"', '"\\x41"', "'single'", '"' + "长" * 300 + '"', "/*x*/0",
    '"' + "\\" * 8 + '"', '"2026-02-30 25:61:61"', '"+262143-12-31 23:59:59"', '"2026-11-20T12:00:00.999999999999"',
    '"8613800138000"', '"DELIVRD\\u0000"', "[1,2,3]", '[{"missionNum":"x"}]', '{"missionNum":"a","missionNum":"b"}',
)  # fmt: skip


def _json_value(body: bytes, dice: Dice, _: EntityTarget) -> bytes:
    """One value, at any depth, replaced."""
    tree = _as_json(body)
    if not isinstance(tree, dict):
        return body
    _put(tree, dice, _RAW)
    text = json.dumps(tree, ensure_ascii=dice.random() < 0.3)
    return text.replace(json.dumps(_RAW), dice.choice(_HOSTILE_JSON)).encode(errors="replace")


def _json_key(body: bytes, dice: Dice, _: EntityTarget) -> bytes:
    """One key twice with two values, or under the name of another."""
    key = dice.choice(("errorCode", "error_code", "records", "data", "missionNum", "destId", "count", "", "__proto__"))
    value = dice.choice(_HOSTILE_JSON)
    places = [at for at, sign in enumerate(body) if sign == 0x7B] or [0]
    at = dice.choice(places) + 1
    return body[:at] + f'"{key}":{value},'.encode(errors="replace") + body[at:]


def _json_nested(body: bytes, dice: Dice, _: EntityTarget) -> bytes:
    """One value nested far too deep, sometimes deeper than any parser allows."""
    tree = _as_json(body)
    if not isinstance(tree, dict):
        return body
    depth = dice.choice((1, 2, 30, 200, 900, 1100, 3000))
    opened, closed = dice.choice((("[", "]"), ('{"a":', "}"), ('{"data":', "}"), ('{"records":[', "]}")))
    _put(tree, dice, _RAW)
    inner = opened * depth + dice.choice(("0", "{}", '"x"')) + closed * (depth if dice.random() < 0.9 else 1)
    return json.dumps(tree, ensure_ascii=False).replace(json.dumps(_RAW), inner).encode(errors="replace")


def _as_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _put(tree: dict[str, Any], dice: Dice, value: object) -> None:
    """Replace one value at a random depth."""
    node: Any = tree
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = dice.choice(keys or [""] if isinstance(node, dict) else keys)
        below = node.get(key) if isinstance(node, dict) else node[key]
        if not below or not isinstance(below, dict | list) or dice.random() < 0.3:
            node[key] = value
            return
        node = below


# ── Changes of XML ────────────────────────────────────────────────────────────────────────────────────────────────────

_BOMB = "".join(f'<!ENTITY b{n} "{f"&b{n - 1};" * 10}">' for n in range(1, 10))
_DOCTYPES = (
    '<!DOCTYPE xml [<!ENTITY e "x">]>',
    '<!DOCTYPE xml [<!ENTITY e SYSTEM "{file}">]>',
    '<!DOCTYPE xml [<!ENTITY e SYSTEM "{http}">]>',
    '<!DOCTYPE xml [<!ENTITY e PUBLIC "x" "{file}">]>',
    '<!DOCTYPE xml SYSTEM "{http}">',
    '<!DOCTYPE xml PUBLIC "-//x//x" "{file}">',
    '<!DOCTYPE xml SYSTEM "{file}" [<!ENTITY e "x">]>',
    '<!DOCTYPE xml [<!ENTITY % p SYSTEM "{http}"> %p;]>',
    '<!DOCTYPE xml [<!ENTITY % p SYSTEM "{file}"> %p; <!ENTITY e "x">]>',
    '<!DOCTYPE xml [<!ENTITY b0 "ha">' + _BOMB + '<!ENTITY e "&b9;">]>',
    '<!DOCTYPE xml [<!ENTITY b0 "ha">' + _BOMB + '<!ATTLIST xml a CDATA "&b9;">]>',
    '<!DOCTYPE xml [<!ENTITY e "&e;">]>',
    "<!DOCTYPE xml>",
    "<!DOCTYPE xml [",
)
_ELEMENTS = (
    "&e;", "<a>&e;</a>", '<a b="&e;"/>', "&nope;", "&#65;", "&#0;", "&#xD800;", "<?php x ?>", "<?xml version='1.0'?>",
    "<!-- -- -->", "<![CDATA[{x}]]>", "<x:y/>", "<a xmlns='{http}'/>", "<a xmlns:b='{http}'><b:c/></a>",
    "<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='{file}' parse='text'/>",
    "<?xml-stylesheet type='text/xsl' href='{http}'?>", "<a xsi:schemaLocation='x {http}' xmlns:xsi='x'/>",
    "<errorCode>100003</errorCode>", "<count>1</count><count>2</count>", "<record/>", "<records><record/></records>",
    "<a b='1' b='2'/>", "<手机>1</手机>", "<1/>", "\x01", "]]>", "<a",
)  # fmt: skip


def _xml_doctype(body: bytes, dice: Dice, target: EntityTarget) -> bytes:
    """A document type with entities, one of them referenced."""
    kind = _filled(dice.choice(_DOCTYPES), target)
    place = body.find(b"?>") + 2 if b"?>" in body else 0
    return _xml_element(body[:place] + kind + body[place:], dice, target, texts=("&e;", "<a>&e;</a>", '<a b="&e;"/>'))


def _xml_element(body: bytes, dice: Dice, target: EntityTarget, texts: tuple[str, ...] = _ELEMENTS) -> bytes:
    """An insertion between two elements."""
    return _between(body, _filled(dice.choice(texts), target), dice)


def _xml_large(body: bytes, dice: Dice, _: EntityTarget) -> bytes:
    """Huge names, attributes and depths."""
    size = dice.choice((300, 3000, 60_000))
    text = dice.choice(
        (
            f"<{'n' * size}/>",
            f"<a b='{'v' * size}'/>",
            "<a " + " ".join(f"b{n}='{n}'" for n in range(size // 30)) + "/>",
            "<a " + " ".join(f"xmlns:b{n}='u{n}'" for n in range(size // 30)) + "/>",
            f"<!--{'c' * size}-->",
            f"<?p {'d' * size}?>",
            "<d>" * (size // 30) + "</d>" * (size // 30),
            "<d>" * (size // 30),
        )
    )
    return _between(body, text.encode(), dice)


def _xml_renamed(body: bytes, dice: Dice, _: EntityTarget) -> bytes:
    """One element renamed to another, everywhere."""
    names = (b"errorCode", b"records", b"record", b"missionNum", b"destId", b"content", b"count", b"xml", b"data")
    old, new = dice.choice(names), dice.choice(names)
    return body.replace(b"<" + old + b">", b"<" + new + b">").replace(b"</" + old + b">", b"</" + new + b">")


def _between(body: bytes, inserted: bytes, dice: Dice) -> bytes:
    places = [at for at, sign in enumerate(body) if sign == 0x3C] or [0]
    at = dice.choice(places)
    return body[:at] + inserted + body[at:]


def _filled(text: str, target: EntityTarget) -> bytes:
    return text.replace("{file}", target.file_uri).replace("{http}", target.http_uri).encode()


_CHANGES: dict[str, Change] = {
    "cut": _cut,
    "behead": _behead,
    "flip": _flip,
    "splice": _splice,
    "insert": _insert,
    "repeat": _repeat,
    "miscoded": _miscoded,
    "misdeclared": _misdeclared,
    "json_value": _json_value,
    "json_key": _json_key,
    "json_nested": _json_nested,
    "xml_doctype": _xml_doctype,
    "xml_element": _xml_element,
    "xml_large": _xml_large,
    "xml_renamed": _xml_renamed,
}
CHANGES = tuple(_CHANGES)
_NAMES = (*CHANGES, "json_value", "json_value", "json_key", "xml_element")  # the most effective ones more often

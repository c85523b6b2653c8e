"""Pushes of one report in the vendor's own shape, read all together: one pattern over all of them, no tree for each.

Nearly all pushes are such. The pattern takes no more than XML allows, and nothing that XML would change: whatever else
is in a push (entities, comments, other fields, another order), `push` reads it as XML. A test holds that both agree.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pipelines.gateway.document import SMALL
from pipelines.gateway.wire import REPORT_FIELDS, Columns

_HEAD: Final = ("app_key", "time_stamp", "nonce_str", "sign")
_FIELDS: Final = (
    "mission_num", "dest_id", "send_status", "receive_status", "receive_real_status", "batch_num", "stat_time",
)  # fmt: skip

_SPACE: Final = r"[ \t\n]*"
_VALUE: Final = r"[^<>&\r\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]*"
_END: Final = "\0"  # after each push; XML has no such character


def _elements(names: Sequence[str], value: str) -> str:
    return "".join(f"<{name}>{value}</{name}>{_SPACE}" for name in names)


# The fields of a usual push, or the first character of another one.
_PUSH: Final = re.compile(
    rf'(?:<\?xml version="1\.0" encoding="(?:UTF|utf)-8"\?>)?{_SPACE}<xml>{_SPACE}'
    rf"<head>{_SPACE}{_elements(_HEAD, _VALUE)}</head>{_SPACE}"
    rf"<body>{_SPACE}<records>{_SPACE}<record>{_SPACE}{_elements(_FIELDS, f'({_VALUE})')}</record>{_SPACE}"
    rf"</records>{_SPACE}</body>{_SPACE}</xml>{_SPACE}{_END}|(?=(.))[^{_END}]*{_END}",
    re.DOTALL,
)


@dataclass(frozen=True)
class UsualPushes:
    """The positions of the usual pushes, the columns of their reports, and the positions of all others."""

    pushes: list[int]
    columns: Columns
    others: list[int]


def read_usual(bodies: Sequence[bytes]) -> UsualPushes:
    """The reports of the usual pushes, one each; columns as in wire.py."""
    found = _PUSH.findall(_joined(bodies))
    usual = [push for push, (*_, other) in enumerate(found) if not other]
    others = [push for push, (*_, other) in enumerate(found) if other]
    values = zip(*(found if not others else [found[push] for push in usual]), strict=True)
    texts = zip(_FIELDS, values, strict=False)  # empty without a usual push
    return UsualPushes(usual, {REPORT_FIELDS[name]: list(map(str.strip, each)) for name, each in texts}, others)


def _joined(bodies: Sequence[bytes]) -> str:
    """All pushes as one text, each with _END; one that can't be usual is left empty."""
    try:
        text = _END.encode().join([*bodies, b""]).decode()
        if text.count(_END) == len(bodies) and max(map(len, bodies), default=0) <= SMALL:
            return text
    except UnicodeDecodeError:
        pass
    return "".join(f"{_text(body)}{_END}" for body in bodies)


def _text(body: bytes) -> str:
    try:
        text = body.decode() if len(body) <= SMALL else ""
    except UnicodeDecodeError:
        return ""
    return "" if _END in text else text

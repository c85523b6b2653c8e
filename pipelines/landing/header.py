"""The form of `.call` and `.import` files: a header as one line of JSON, then the body byte for byte."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

UNREADABLE_HEADER: Final = (ValueError, TypeError, LookupError, AttributeError)
"""The errors that reading a call or an import raises if its first line is not what was landed."""


def with_header(landed: "DataclassInstance") -> bytes:
    """The content of a file: all fields but `body` as its header, then `body`."""
    header = asdict(landed)
    body: bytes = header.pop("body")
    return json.dumps(header, default=str).encode() + b"\n" + body


def header_and_body(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The two parts of a file. Raises one of UNREADABLE_HEADER."""
    line, _, body = content.partition(b"\n")
    return dict(json.loads(line)), body

"""The format of a segment: frames, and damaged bytes between them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from zlib import crc32


@dataclass(frozen=True)
class Frame:
    """One body with its header; or, if not `is_whole`, the bytes of a damaged part of the segment."""

    head: Mapping[str, Any]
    body: bytes
    is_whole: bool = True


NOTHING: Final = Frame({}, b"", is_whole=False)
"""Stands for a segment whose pack is damaged."""


def frame_bytes(head: Mapping[str, Any], body: bytes) -> bytes:
    """The bytes of one frame."""
    line = json.dumps({**head, "size": len(body), "crc32": crc32(body)}).encode()
    return b"%b\n%b\n" % (line, body)


def read_frames(content: bytes) -> Iterator[Frame]:
    """The frames of a segment, and a frame for each damaged part between them."""
    for frame, _ in _frames_and_gaps(content):
        yield frame


def whole_size(content: bytes) -> int:
    """The end of the last whole frame; bytes behind it are torn."""
    return max((end for frame, end in _frames_and_gaps(content) if frame.is_whole), default=0)


def _frames_and_gaps(content: bytes) -> Iterator[tuple[Frame, int]]:
    """Each frame or damaged part, and its end."""
    place = 0
    while place < len(content):
        if found := _frame_at(content, place):
            frame, place = found
        else:
            damaged, place = place, _next_frame(content, place)
            frame = Frame({}, content[damaged:place], is_whole=False)
        yield frame, place


def _frame_at(content: bytes, place: int) -> tuple[Frame, int] | None:
    """The frame that begins at `place` and its end; None if there is no whole one."""
    line_end = content.find(b"\n", place)
    try:
        head: dict[str, Any] = json.loads(content[place : max(line_end, place)])
        start, end = line_end + 1, line_end + 1 + head.pop("size")
        is_whole = end >= start and content[end : end + 1] == b"\n" and crc32(content[start:end]) == head.pop("crc32")
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return (Frame(head, content[start:end]), end + 1) if is_whole else None


def _next_frame(content: bytes, place: int) -> int:
    """The beginning of the next whole frame behind `place`; the end of the segment without one."""
    while (place := content.find(b'{"', place + 1)) > 0:
        if _frame_at(content, place):
            return place
    return len(content)

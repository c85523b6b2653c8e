"""Draws charts as SVG, in a process of its own: for what it can't draw, the library aborts the process that it runs in.

The process is started with the first chart and serves all later ones: its start takes a second, a chart some
hundredths. It reads one chart a line and answers one drawing a line, both as JSON, and ends with the process that
started it.
"""

import atexit
import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from threading import Lock
from typing import Any, Final

from pipelines.errors import Unforeseen

_NOT_IN_XML: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_lock: Final = Lock()
_running: dict[int, subprocess.Popen[bytes]] = {}  # by the process that started it, so that a fork starts its own


def svg(chart: dict[str, Any]) -> str:
    """A Vega-Lite chart as SVG; characters that XML can't hold become U+FFFD.

    Raises Unforeseen if it can't be drawn.
    """
    question = json.dumps(_with_characters_of_xml(chart)).encode() + b"\n"
    with _lock:
        answer = _answer(_process(), question)
        if not answer.endswith(b"\n"):
            stop()
    drawn = json.loads(answer) if answer.endswith(b"\n") else None
    if drawn is None:
        raise Unforeseen("a chart can't be drawn: the drawing library fails at it; leave out --html, and report it")
    return str(drawn)


def stop() -> None:
    """End the process; the next chart starts another."""
    process = _running.pop(os.getpid(), None)
    if process is not None:
        process.kill()
        process.communicate()


def _answer(process: subprocess.Popen[bytes], question: bytes) -> bytes:
    """The answer to one line; a part of it, or nothing, if the process has ended."""
    asking, answers = process.stdin, process.stdout
    if asking is None or answers is None:
        return b""
    with suppress(BrokenPipeError):
        asking.write(question)
        asking.flush()
    return answers.readline()


def _process() -> subprocess.Popen[bytes]:
    process = _running.get(os.getpid())
    if process is None:
        # -P: a file of the current folder is not taken for a module. Errors of the library quote the chart.
        command = [sys.executable, "-P", "-m", "pipelines.review.drawing"]
        process = subprocess.Popen(  # noqa: S603  our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        if not _running:
            atexit.register(stop)
        _running[os.getpid()] = process
    return process


def _with_characters_of_xml(value: Any) -> Any:
    if isinstance(value, str):
        return _NOT_IN_XML.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_with_characters_of_xml(name): _with_characters_of_xml(inner) for name, inner in value.items()}
    return [_with_characters_of_xml(inner) for inner in value] if isinstance(value, list) else value


def _draw_lines() -> None:
    """Answer each line of standard input; null for a chart that the library refuses."""
    import vl_convert  # noqa: PLC0415  not in the process that asks

    for line in sys.stdin.buffer:
        try:
            drawn = vl_convert.vegalite_to_svg(json.loads(line))
        except ValueError:
            drawn = None
        sys.stdout.write(json.dumps(drawn) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _draw_lines()

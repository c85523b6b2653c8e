"""A file and a server on 127.0.0.1 that no parser may read."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.fuzz.hostile import CANARY, EntityTarget
from tests.support.web import answer, serving


@contextmanager
def serving_target(folder: Path) -> Iterator[tuple[EntityTarget, Callable[[], int]]]:
    """Yield the target and a function that counts calls of the server. Both hold the canary, to reveal a reader."""
    secret = folder / "secret.txt"
    secret.write_text(CANARY)
    calls: list[str] = []

    def counted(handler: BaseHTTPRequestHandler) -> None:
        calls.append(handler.path)
        answer(CANARY.encode())(handler)

    with serving(defaultdict(lambda: counted)) as address:
        yield EntityTarget(secret.as_uri(), f"{address}/x.dtd"), lambda: len(calls)

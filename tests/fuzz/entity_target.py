"""A file and a server on 127.0.0.1 that no parser may read."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.fuzz.hostile import CANARY, EntityTarget


@contextmanager
def serving_target(folder: Path) -> Iterator[tuple[EntityTarget, Callable[[], int]]]:
    """Yield the target and a function that counts calls of the server. Both hold the canary, to reveal a reader."""
    secret = folder / "secret.txt"
    secret.write_text(CANARY)
    calls: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            calls.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(CANARY.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield (
                EntityTarget(secret.as_uri(), f"http://127.0.0.1:{server.server_address[1]}/x.dtd"),
                lambda: len(calls),
            )
        finally:
            server.shutdown()
            thread.join()

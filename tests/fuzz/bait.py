"""A file and a server on 127.0.0.1 that no parser may touch, and whether one did."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.fuzz.hostile import CANARY, Bait


@contextmanager
def laid(folder: Path) -> Iterator[tuple[Bait, Callable[[], int]]]:
    """The bait, and how often the server was called. The file holds the canary: who reads it, shows it."""
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
            yield Bait(secret.as_uri(), f"http://127.0.0.1:{server.server_address[1]}/x.dtd"), lambda: len(calls)
        finally:
            server.shutdown()
            thread.join()

"""A relay on loopback in front of a sandbox: it counts requests, and answers some itself as the test decides."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from pipelines.sandbox import RunningSandbox


class Reply(NamedTuple):
    """An answer that the relay gives itself; with `is_forwarded` the sandbox gets the request first."""

    body: bytes
    status: int = 200
    is_forwarded: bool = False


def error_answer(error_code: str, *, status: int = 200, is_forwarded: bool = False) -> Reply:
    """A JSON answer of the gateway with this error code."""
    return Reply(b'{"errorCode":"%s","errorMsg":"x"}' % error_code.encode(), status, is_forwarded)


@dataclass(frozen=True)
class Request:
    """A request of the client; `number` counts the requests of one endpoint from 0."""

    endpoint: str
    number: int
    form: dict[str, str] = field(repr=False)


Answer = Callable[[Request], Reply | None]


class Relay(ThreadingHTTPServer):
    """Answers each request by `answer`; if that returns None, the sandbox answers."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, sandbox: RunningSandbox) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(sandbox.base_url)
        self.answer: Answer = lambda _: None
        self.delay_seconds = 0.0
        self.requests: list[Request] = []
        self.arrivals: list[float] = []
        self.bodies: list[bytes] = []  # of all answers, in the order of a client that makes one request at a time
        self.most_in_flight = 0
        self._in_flight = 0
        self._lock = threading.Lock()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{self.upstream.path}"

    def sends(self) -> list[Request]:
        return [request for request in self.requests if request.endpoint.startswith("send")]

    def begin(self, path: str, form: bytes) -> Request:
        endpoint = path.rpartition("/")[2].partition(".")[0]
        fields = {name: value for name, (value,) in parse_qs(form.decode(), keep_blank_values=True).items()}
        with self._lock:
            request = Request(endpoint, sum(before.endpoint == endpoint for before in self.requests), fields)
            self.requests.append(request)
            self.arrivals.append(time.monotonic())
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
        return request

    def end(self, body: bytes) -> None:
        with self._lock:
            self._in_flight -= 1
            self.bodies.append(body)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is one packet
    disable_nagle_algorithm = True
    server: Relay

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"]))
        request = self.server.begin(self.path, form)
        time.sleep(self.server.delay_seconds)
        reply = self.server.answer(request)
        if reply is None:
            reply = self._forwarded(form)
        elif reply.is_forwarded:
            self._forwarded(form)
        self.server.end(reply.body)
        self.send_response_only(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def _forwarded(self, form: bytes) -> Reply:
        connection = HTTPConnection(self.server.upstream.netloc, timeout=30)
        try:
            headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
            connection.request("POST", self.path, form, headers)
            response = connection.getresponse()
            return Reply(response.read(), response.status)
        finally:
            connection.close()


@contextmanager
def relaying(sandbox: RunningSandbox) -> Iterator[Relay]:
    with Relay(sandbox) as relay:
        thread = threading.Thread(target=relay.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield relay
        finally:
            relay.shutdown()
            thread.join()

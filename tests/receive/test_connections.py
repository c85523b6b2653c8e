"""Connections that send nothing, or slowly, or nonsense, cost nobody else an answer, and no disk."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.depth import cases
from tests.support.endpoint import PATH_SECRET, Endpoint, landed, receiving, report

SILENT = cases(fast=300, deep=3000)
PUSH = f"POST /push/{PATH_SECRET} HTTP/1.1\r\nHost: test\r\n"
NOT_WHOLE = {
    "nothing": "",
    "half a head": PUSH,
    "half a body": f"{PUSH}Content-Length: 100\r\n\r\n<xml>",
    "half a chunk": f"{PUSH}Transfer-Encoding: chunked\r\n\r\n50\r\n<xml>",
    "half a body to another path": "POST /push/x HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\n<xml>",
    "half a request after a whole one": "GET /health HTTP/1.1\r\nHost: test\r\n\r\nGET /hea",
}


def connect(endpoint: Endpoint) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(endpoint.base_url.rpartition(":")[2])), timeout=10)


def limit(**constants: float) -> dict[str, float]:
    """Another limit, such as REQUEST_SECONDS=0.5."""
    return {f"pipelines.receive.connections.{name}": value for name, value in constants.items()}


@contextmanager
def silent(endpoint: Endpoint, number: int) -> Iterator[list[socket.socket]]:
    """So many connections, each with half a head."""
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(endpoint)) for _ in range(number)]
        for connection in connections:
            with suppress(BrokenPipeError, ConnectionResetError):  # it was one too many
                connection.sendall(PUSH.encode())
        yield connections


@pytest.mark.cases(SILENT)
def test_pushes_are_answered_200_while_others_hold_more_silent_connections_than_there_may_be(tmp_path: Path) -> None:
    most = SILENT // 3
    with receiving(tmp_path, constants=limit(MAX_CONNECTIONS=most)) as endpoint:
        with silent(endpoint, SILENT):
            assert [endpoint.push(report(number)) for number in range(5)] == [200] * 5
            closed = endpoint.metrics()['smsrecon_connections_closed_total{reason="crowded"}']
            assert SILENT - most <= closed <= SILENT - most + 10
        endpoint.kill()
        assert endpoint.stderr.read() == ""
    assert landed(tmp_path) == [*map(report, range(5))]


def test_a_connection_is_closed_when_its_request_is_not_whole_in_time(tmp_path: Path) -> None:
    with receiving(tmp_path, constants=limit(REQUEST_SECONDS=0.5)) as endpoint, ExitStack() as stack:
        connections = {what: stack.enter_context(connect(endpoint)) for what in NOT_WHOLE}
        for what, begun in NOT_WHOLE.items():
            connections[what].sendall(begun.encode())
        assert {what: has_ended(each) for what, each in connections.items()} == dict.fromkeys(NOT_WHOLE, True)
        assert endpoint.metrics()['smsrecon_connections_closed_total{reason="slow"}'] == len(NOT_WHOLE)
        assert endpoint.push(report(1)) == 200


def has_ended(connection: socket.socket) -> bool:
    """True if the other side closes the connection within the 10 seconds of its time-out."""
    try:
        while connection.recv(4096):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


def test_an_idle_connection_of_a_vendor_outlives_the_time_of_a_request(tmp_path: Path) -> None:
    push = f"{PUSH}Content-Length: {len(report(0))}\r\n\r\n".encode()
    with receiving(tmp_path, constants=limit(REQUEST_SECONDS=0.3)) as endpoint, connect(endpoint) as connection:
        for number in range(2):
            connection.sendall(push + report(number))
            answer = connection.recv(4096)
            while not answer.endswith(b"success"):
                answer += connection.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200 ")
            connection.settimeout(0.6)
            with pytest.raises(TimeoutError):  # neither another answer nor an end
                connection.recv(4096)
            connection.settimeout(10)


def test_nonsense_fills_no_log(tmp_path: Path) -> None:
    with receiving(tmp_path) as endpoint:
        for _ in range(50):
            with connect(endpoint) as connection:
                connection.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
                assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
        endpoint.kill()
        assert endpoint.stderr.read().splitlines() == ["Invalid HTTP request received."]

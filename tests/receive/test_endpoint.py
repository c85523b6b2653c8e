"""The endpoint as a process: answers, bytes on disk, health and metrics."""

import asyncio
import fcntl
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from pipelines.operations.daily import refused_pushes
from pipelines.receive.app import make_app
from pipelines.receive.ping import signature
from pipelines.settings import GatewaySettings, ReceiveSettings, Settings
from pipelines.warehouse.database import warehouse_of
from tests.support.depth import cases
from tests.support.endpoint import APP_KEY, COMMAND, PATH_SECRET, REPLY, REPORT, Endpoint, landed, receiving, report
from tests.support.places import Place

LOADS = cases(fast=3, deep=20)


def test_the_vendors_samples_are_on_disk_byte_for_byte_before_the_answer(tmp_path: Path) -> None:
    with receiving(tmp_path, command=COMMAND) as endpoint:
        assert [endpoint.push(REPORT), endpoint.push(REPLY)] == [200, 200]
        endpoint.kill()

    assert landed(tmp_path) == [REPORT, REPLY]


def test_another_server_can_run_it_as_an_asgi_app(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "uvicorn", "--factory", "pipelines.receive.asgi:app", "--port", "0")
    with receiving(tmp_path, command=command) as endpoint:
        assert [endpoint.push(REPORT), endpoint.push(b"<xml><head/></xml>")] == [200, 400]
        endpoint.stop()
    assert landed(tmp_path) == [REPORT]


def test_hostile_pushes_get_no_200_and_those_by_the_secret_path_are_kept_in_refused(tmp_path: Path) -> None:
    large = REPORT + b" " * 2**20
    with receiving(tmp_path) as endpoint:
        others = f"{endpoint.base_url}/push/{PATH_SECRET[::-1]}"
        found = {
            "another path": httpx.post(others, content=REPORT).status_code,
            "no path": httpx.post(f"{endpoint.base_url}/push/", content=REPORT).status_code,
            "GET": httpx.get(endpoint.push_url).status_code,
            "nothing": endpoint.push(b""),
            "no head": endpoint.push(b"<xml><head/></xml>"),
            "another key": endpoint.push(REPORT.replace(b"nqz", b"abc")),
            "large": endpoint.push(large),
            "large, in pieces": httpx.post(endpoint.push_url, content=iter([large])).status_code,
        }
        metrics = endpoint.metrics()
        assert endpoint.push(REPORT) == 200

    assert found == {
        "another path": 404, "no path": 404, "GET": 405, "nothing": 400, "no head": 400,
        "another key": 403, "large": 413, "large, in pieces": 413,
    }  # fmt: skip
    assert metrics['smsrecon_pushes_refused_total{reason="unreadable"}'] == 2
    assert metrics['smsrecon_pushes_refused_total{reason="path"}'] == 1
    assert metrics['smsrecon_pushes_refused_total{reason="length"}'] == 2
    assert metrics["smsrecon_pushes_received_total"] == 0
    assert landed(tmp_path) == [REPORT]
    assert landed(tmp_path, "refused") == [b"<xml><head/></xml>", REPORT.replace(b"nqz", b"abc")]


def test_pushes_that_can_not_be_parsed_are_answered_200_and_loaded_as_rejects(tmp_path: Path) -> None:
    """Nobody else would ever see them, and the vendor would repeat them for ever. Nothing that they name is read."""
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + REPORT.partition(b"?>")[2]
    outside = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>' + REPORT.partition(b"?>")[2]
    damaged = [b"no XML", bomb, outside, b"<a>" * 10_000, REPORT[:-20]]
    spoilt = REPLY.replace("測試".encode(), b"TD\x01&#55357;&#56397;&nbsp;R&D")
    with receiving(tmp_path) as endpoint:
        assert [endpoint.push(body) for body in [*damaged, spoilt]] == [200] * 6
        metrics = endpoint.metrics()
        assert (metrics["smsrecon_pushes_received_total"], metrics["smsrecon_pushes_unreadable_total"]) == (6, 5)
        endpoint.kill()

    assert landed(tmp_path) == [*damaged, spoilt]
    loaded = Place(tmp_path).run("load --json").object
    assert (loaded["record_count"], loaded["rejected_count"]) == (6, 5)
    with warehouse_of(Settings(data_dir=tmp_path / "data")).read() as connection:
        assert connection.execute("SELECT content FROM core.replies").fetchall() == [("TD�👍\xa0R&D",)]
        assert connection.execute("SELECT position, reason FROM core.rejects ORDER BY ALL").fetchall() == [
            (place, f"the push of {len(body)} bytes is not XML") for place, body in enumerate(damaged)
        ]


def test_a_repeated_push_is_answered_200_and_kept_once(tmp_path: Path) -> None:
    with receiving(tmp_path) as endpoint:
        assert [endpoint.push(REPORT) for _ in range(3)] == [200] * 3
        assert endpoint.push(REPORT.replace(b"DELIVRD", b"MK:0001")) == 403
        assert endpoint.metrics()["smsrecon_pushes_repeated_total"] == 2
        endpoint.stop()
    assert landed(tmp_path) == [REPORT]


@pytest.mark.parametrize("memory", cases(fast=[2], deep=[2, 200]))
def test_a_repeated_push_is_recognised_after_a_restart_within_the_nonce_memory(tmp_path: Path, memory: int) -> None:
    with receiving(tmp_path) as endpoint:
        assert {endpoint.push(report(number)) for number in range(10)} == {200}
        endpoint.kill()
    with receiving(tmp_path, {"SMSRECON_RECEIVE__NONCE_MEMORY": str(memory)}) as endpoint:
        assert endpoint.push(report(9).replace(b"DELIVRD", b"MK:0001")) == 403
        assert {endpoint.push(report(number)) for number in range(10)} == {200}
        endpoint.stop()
    assert len(landed(tmp_path)) == (10 if memory > 10 else 20)


def test_pushes_can_be_loaded_and_erased_while_the_endpoint_runs(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with receiving(tmp_path) as endpoint:
        assert [endpoint.push(REPORT), endpoint.push(REPORT.replace(b"nqz", b"abc"))] == [200, 403]
        assert place.run("load --json").object["record_count"] == 1
        assert [endpoint.push(REPLY), endpoint.push(report(7))] == [200, 200]
        assert place.run("forget 15267797477 --yes").code == 0
        assert endpoint.push(report(8)) == 200
        endpoint.kill()

    kept = landed(tmp_path)
    assert len(kept) == 4
    assert [body for body in kept if b"15267797477" in body] == [report(8)]  # pushed afterwards
    assert landed(tmp_path, "refused") == []


def test_only_allowed_addresses_may_push_also_behind_a_proxy(tmp_path: Path) -> None:
    variables = {
        "SMSRECON_RECEIVE__ALLOW": '["203.0.113.0/24"]',
        "SMSRECON_RECEIVE__TRUSTED_PROXIES": '["127.0.0.1"]',
    }
    with receiving(tmp_path, variables) as endpoint:
        assert endpoint.push(REPORT) == 403
        assert endpoint.push(REPORT, **{"X-Forwarded-For": "198.51.100.1"}) == 403
        claimed = [
            ("X-Forwarded-For", "203.0.113.9"),
            ("X-Forwarded-For", "198.51.100.1"),
        ]  # the last by the proxy
        assert httpx.post(endpoint.push_url, content=REPORT, headers=claimed).status_code == 403
        assert endpoint.push(REPORT, **{"X-Forwarded-For": "203.0.113.9"}) == 200
        asked = httpx.get(f"{endpoint.base_url}/metrics", headers={"X-Forwarded-For": "198.51.100.1"})
        assert (asked.status_code, "smsrecon_" in asked.text) == (403, False)
        assert endpoint.metrics()["smsrecon_pushes_received_total"] == 1


FOREIGN = REPORT.replace(b"nqz", b"abc") + b" " * 400_000


def test_refused_and_unreadable_pushes_are_kept_up_to_a_limit(tmp_path: Path) -> None:
    with receiving(tmp_path, {"SMSRECON_RECEIVE__MAX_REFUSED_MB": "1"}) as endpoint:
        assert [endpoint.push(b"<x/>" * 100_000), endpoint.push(FOREIGN)] == [200, 403]
        assert [endpoint.push(b"<x/>" * 100_000), endpoint.push(FOREIGN)] == [400, 403]
        endpoint.stop()
    assert (len(landed(tmp_path)), len(landed(tmp_path, "refused"))) == (1, 1)
    with receiving(tmp_path, {"SMSRECON_RECEIVE__MAX_REFUSED_MB": "1"}) as endpoint:
        assert [endpoint.push(b"<x/>" * 100_000), endpoint.push(REPORT)] == [400, 200]


def test_pushes_over_the_memory_limit_are_answered_503_and_earlier_ones_continue(tmp_path: Path) -> None:
    body = REPORT + b" " * 900_000
    with receiving(tmp_path, {"SMSRECON_RECEIVE__MAX_WAITING_MB": "1"}) as endpoint:
        with _half_pushed(endpoint, body) as first:
            assert _status(first, b"", seconds=0.5) is None
            with _half_pushed(endpoint, body) as second:
                assert _status(second, body[-400_000:]) == 503
            assert _status(first, body[-400_000:]) == 200
        assert endpoint.metrics()['smsrecon_pushes_refused_total{reason="full"}'] == 1

    assert landed(tmp_path) == [body]


def test_while_the_disk_hangs_pushes_over_the_limit_get_503_and_waiting_ones_200_later(
    tmp_path: Path,
) -> None:
    large = report(1) + b" " * 600_000
    with receiving(tmp_path, {"SMSRECON_RECEIVE__MAX_WAITING_MB": "1"}) as endpoint, ThreadPoolExecutor(1) as pool:
        assert endpoint.push(REPORT) == 200
        with _hanging_disk(tmp_path):
            waiting = pool.submit(endpoint.push, large)
            while not endpoint.metrics()["smsrecon_push_waiting_bytes"]:
                assert not waiting.done()
            assert endpoint.push(report(2) + b" " * 600_000) == 503
        assert waiting.result() == 200
        assert endpoint.push(report(3)) == 200

    assert landed(tmp_path) == [REPORT, large, report(3)]


def test_a_client_that_disconnects_early_costs_no_other_client_its_answer(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path / "data",
        gateway=GatewaySettings(app_key=APP_KEY),
        receive=ReceiveSettings(path_secret=SecretStr(PATH_SECRET)),
    )

    async def answered() -> list[int | BaseException]:
        app = make_app(settings, lambda: datetime.now(UTC))
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://x") as client,
        ):
            await client.post(f"/push/{PATH_SECRET}", content=REPORT)
            with _hanging_disk(tmp_path):
                pushes = [
                    asyncio.create_task(client.post(f"/push/{PATH_SECRET}", content=report(number)))
                    for number in range(3)  # the first waits for the disk, the others are written together
                ]
                await asyncio.sleep(0.3)
                pushes[1].cancel()
                await asyncio.sleep(0.1)
            results = await asyncio.gather(*pushes, return_exceptions=True)
            return [found.status_code if isinstance(found, httpx.Response) else found for found in results]

    first, gone, staying = asyncio.run(answered())

    assert (first, staying) == (200, 200)
    assert isinstance(gone, asyncio.CancelledError)
    assert landed(tmp_path) == [REPORT, *map(report, range(3))]


@contextmanager
def _hanging_disk(folder: Path) -> Iterator[None]:
    """Block writing to the open segment."""
    (path,) = folder.rglob("*.open")
    with path.open("rb") as segment:
        fcntl.flock(segment, fcntl.LOCK_EX)
        yield


def _half_pushed(endpoint: Endpoint, body: bytes) -> socket.socket:
    """A connection that has sent a push except for its last 400,000 bytes."""
    connection = socket.create_connection(("127.0.0.1", int(endpoint.base_url.rpartition(":")[2])), timeout=10)
    head = f"POST /push/{PATH_SECRET} HTTP/1.1\r\nHost: test\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body[:-400_000])
    return connection


def _status(connection: socket.socket, rest: bytes, *, seconds: float = 10) -> int | None:
    """The status of the answer after sending the rest; None if no answer comes in time."""
    connection.settimeout(seconds)
    try:
        for start in range(0, len(rest), 50_000):
            connection.sendall(rest[start : start + 50_000])
    except (BrokenPipeError, ConnectionResetError):  # refused before its end
        pass
    try:
        return int(connection.recv(4096).split()[1])
    except TimeoutError:
        return None


def test_health_and_metrics_are_served(tmp_path: Path) -> None:
    with receiving(tmp_path, {"SMSRECON_RECEIVE__ANSWER": "ok"}) as endpoint:
        assert httpx.get(f"{endpoint.base_url}/health").status_code == 200
        assert httpx.post(endpoint.push_url, content=REPORT).text == "ok"
        metrics = endpoint.metrics()
        assert metrics["smsrecon_pushes_received_total"] == 1
        assert metrics["smsrecon_push_bytes_total"] == len(REPORT)
        assert not [name for name in metrics if "_created" in name]
        assert metrics["smsrecon_push_landing_seconds_count"] == 1
        assert 0 < metrics["smsrecon_push_load_lag_seconds"] < 60


def test_a_failed_write_is_answered_503_and_health_reports_it(tmp_path: Path) -> None:
    with receiving(tmp_path) as endpoint:
        pushes = endpoint.landing.root / "pushes"
        pushes.parent.mkdir(parents=True, exist_ok=True)
        pushes.write_bytes(b"a file where the folder should be")
        assert endpoint.push(REPORT) == 503
        assert httpx.get(f"{endpoint.base_url}/health").status_code == 503
        assert endpoint.metrics()['smsrecon_pushes_refused_total{reason="disk"}'] == 1
        pushes.unlink()
        assert endpoint.push(REPORT) == 200
        assert httpx.get(f"{endpoint.base_url}/health").status_code == 200


@pytest.mark.cases(LOADS)
def test_loading_during_pushes_counts_each_answered_push_once(tmp_path: Path) -> None:
    place = Place(tmp_path)
    numbers, is_loaded, answers = count(), threading.Event(), []

    def push() -> None:
        while not is_loaded.is_set():
            answers.append(client.post(endpoint.push_url, content=report(next(numbers))).status_code)

    with receiving(tmp_path) as endpoint, httpx.Client() as client, ThreadPoolExecutor(8) as pool:
        pushing = [pool.submit(push) for _ in range(8)]
        try:
            codes = [place.run("load").code for _ in range(LOADS)]
        finally:
            is_loaded.set()
        for each in pushing:
            each.result()
        endpoint.kill()

    assert set(codes) == {0}
    assert set(answers) == {200}
    assert place.run("load").code == 0
    with warehouse_of(Settings(data_dir=tmp_path / "data")).read() as connection:
        counts = "SELECT (FROM core.reports SELECT count(*)), (FROM core.files SELECT sum(record_count))"
        assert connection.execute(counts).fetchone() == (len(answers), len(answers))


@pytest.mark.parametrize("times", range(cases(fast=1, deep=5)))
def test_no_answered_push_is_lost_when_the_endpoint_is_killed(tmp_path: Path, times: int) -> None:
    answered: list[bytes] = []
    for life in range(2):
        with receiving(tmp_path, {"SMSRECON_RECEIVE__SEGMENT_SECONDS": "0.05"}) as endpoint:
            _push_until_killed(endpoint, answered, first=10**6 * life, kill_after=40 + 60 * times)

    assert len(answered) >= 50
    assert set(answered) <= set(landed(tmp_path))


def _push_until_killed(endpoint: Endpoint, answered: list[bytes], *, first: int, kill_after: int) -> None:
    """Push over several connections until the endpoint is killed."""
    with httpx.Client() as client, ThreadPoolExecutor(8) as pool:

        def push(number: int) -> None:
            if number == first + kill_after:
                endpoint.process.kill()
            try:
                if client.post(endpoint.push_url, content=report(number)).status_code == 200:
                    answered.append(report(number))
            except httpx.TransportError:
                return

        list(pool.map(push, range(first, first + kill_after + 20)))


@pytest.mark.parametrize("point", ["before_write", "before_sync", "after_sync", "before_seal", "after_seal"])
def test_no_answered_push_is_lost_when_it_dies_at_a_failpoint(tmp_path: Path, point: str) -> None:
    variables = {"SMSRECON_FAILPOINT": f"segments.{point}:3", "SMSRECON_RECEIVE__SEGMENT_SECONDS": "0.05"}
    answered: list[bytes] = []
    with receiving(tmp_path, variables) as endpoint:
        _push_until_killed(endpoint, answered, first=0, kill_after=2000)
        assert endpoint.process.wait(timeout=30) == -9

    assert len(answered) < 2000
    assert set(answered) <= set(landed(tmp_path))


def test_its_output_holds_no_personal_data_and_no_secret(tmp_path: Path) -> None:
    with receiving(tmp_path, {"SMSRECON_RECEIVE__SIGN": "md5"}) as endpoint:
        assert endpoint.push(REPORT) == 403
        assert endpoint.push(b"15267797477") == 200
        httpx.get(f"{endpoint.base_url}/15267797477", params={"phone": "15267797477"})
        shown = httpx.get(f"{endpoint.base_url}/metrics").text
        endpoint.stop()
        shown += endpoint.stderr.read()

    for secret in ("15267797477", PATH_SECRET, APP_KEY, "127.0.0.1:0"):
        assert secret not in shown


# Of an endpoint that only this machine may push to.
CONFIGURED = {
    "SMSRECON_RECEIVE__PATH_SECRET": PATH_SECRET,
    "SMSRECON_RECEIVE__ALLOW": '["127.0.0.1"]',
    "SMSRECON_GATEWAY__APP_KEY": APP_KEY,
}


def test_doctor_warns_of_an_endpoint_that_takes_unsigned_pushes_from_everywhere(tmp_path: Path) -> None:
    with receiving(tmp_path) as endpoint:
        url = {"SMSRECON_RECEIVE__PUBLIC_URL": endpoint.base_url}
        verdict, detail = _endpoint_of(Place(tmp_path, CONFIGURED), **url, SMSRECON_RECEIVE__ALLOW="[]")
        assert (verdict, "in receive.allow" in detail) == ("warning", True)
        signed = {"SMSRECON_RECEIVE__ALLOW": "[]", "SMSRECON_RECEIVE__SIGN": "md5"}
        signed["SMSRECON_GATEWAY__APP_SECRET"] = "secret"
        assert _endpoint_of(Place(tmp_path, CONFIGURED), **url, **signed)[0] == "ok"


def test_doctor_probes_it_and_reports_pushes_that_it_must_refuse(tmp_path: Path) -> None:
    place = Place(tmp_path, CONFIGURED)
    with receiving(tmp_path) as endpoint:
        url = {"SMSRECON_RECEIVE__PUBLIC_URL": endpoint.base_url}
        assert _endpoint_of(place, **url) == ("ok", f"{endpoint.base_url} is ours, and refuses wrong requests")
        for proxy in ({"HTTP_PROXY": "http://127.0.0.1:1"}, {"ALL_PROXY": "socks5://127.0.0.1:1"}):  # none is used
            assert _endpoint_of(place, **url, **proxy)[0] == "ok"
        endpoint.stop()
        verdict, detail = _endpoint_of(place, **url)
        assert (verdict, "start 'smsrecon receive'" in detail) == ("warning", True)
    assert _endpoint_of(Place(tmp_path))[0] == "ok"  # nothing is configured


def test_doctor_takes_no_other_server_for_the_endpoint_and_sends_it_no_path_secret(tmp_path: Path) -> None:
    place = Place(tmp_path, {"SMSRECON_RECEIVE__PATH_SECRET": PATH_SECRET, "SMSRECON_GATEWAY__APP_KEY": APP_KEY})
    for get, post in ((200, 200), (404, 403), (503, 403)):
        with _other_server(get=get, post=post) as other:
            verdict, detail = _endpoint_of(place, SMSRECON_RECEIVE__PUBLIC_URL=other.base_url)
        assert (verdict, "another server answers there" in detail) == ("error", True)
        assert ("GET /health is answered with 503" in detail) == (get == 503)
        assert other.paths
        assert not [path for path in other.paths if PATH_SECRET in path]
    with receiving(tmp_path, {"SMSRECON_RECEIVE__PATH_SECRET": PATH_SECRET[::-1]}) as endpoint:
        verdict, detail = _endpoint_of(place, SMSRECON_RECEIVE__PUBLIC_URL=endpoint.base_url)
        assert (verdict, "an endpoint with another path secret" in detail) == ("error", True)


def test_doctor_finds_a_proxy_that_passes_pushes_only_and_one_that_answers_them_itself(tmp_path: Path) -> None:
    place = Place(tmp_path, CONFIGURED)
    with receiving(tmp_path) as endpoint:
        with _other_server(get=404, post=403, pings_of=endpoint) as proxy:
            assert _endpoint_of(place, SMSRECON_RECEIVE__PUBLIC_URL=proxy.base_url)[0] == "ok"
        with _other_server(get=200, post=200, pings_of=endpoint) as proxy:
            verdict, detail = _endpoint_of(place, SMSRECON_RECEIVE__PUBLIC_URL=proxy.base_url)
    assert verdict == "error"
    assert all(f"{what} is answered with 200" in detail for what in ("another path", "empty push", "another app_key"))


def test_only_who_has_the_path_secret_gets_an_answer_to_a_ping(tmp_path: Path) -> None:
    asker = ReceiveSettings(path_secret=SecretStr(PATH_SECRET))
    with receiving(tmp_path) as endpoint:
        url = f"{endpoint.base_url}/push/ping"
        assert httpx.get(url, params={"nonce": "n"}).status_code == 404
        forged = signature(ReceiveSettings(), "question", "n")
        answer_as_question = signature(asker, "answer", "n")
        for given in (forged, answer_as_question, "é"):
            assert httpx.get(url, params={"nonce": "n", "signature": given}).status_code == 404
        genuine = httpx.get(url, params={"nonce": "n", "signature": signature(asker, "question", "n")})
        assert (genuine.status_code, genuine.text) == (200, signature(asker, "answer", "n"))


def test_refused_pushes_show_in_status_and_doctor_for_a_day(tmp_path: Path) -> None:
    place = Place(tmp_path, CONFIGURED)
    with receiving(tmp_path) as endpoint:
        assert endpoint.push(REPORT) == 200
        assert _endpoint_of(place, SMSRECON_RECEIVE__PUBLIC_URL=endpoint.base_url)[0] == "ok"
        assert place.run("status --json").code == 0  # what doctor sent does not count
        assert endpoint.push(REPORT.replace(b"DELIVRD", b"MK:0001")) == 403
        message = "pushes by the secret path that were refused within a day: 1 (nonce 1)"

        verdict, detail = _endpoint_of(place, SMSRECON_RECEIVE__PUBLIC_URL=endpoint.base_url)
        assert (verdict, message in detail) == ("warning", True)
        shown = place.run("status --json")
        assert (shown.code, message in shown.object["problems"][0]) == (16, True)
        assert place.run("status --json", SMSRECON_ALERTS__MAX_REFUSED_PUSHES="1").code == 0

    settings = Settings(data_dir=tmp_path / "data")
    assert len(refused_pushes(settings, as_of=datetime.now(UTC) + timedelta(hours=23))) == 1
    assert refused_pushes(settings, as_of=datetime.now(UTC) + timedelta(hours=25)) == []


def _endpoint_of(place: Place, **variables: str) -> tuple[str, str]:
    findings = {found["name"]: found for found in place.run("doctor --json", **variables).object["findings"]}
    return findings["endpoint"]["verdict"], findings["endpoint"]["detail"]


class _OtherServer(ThreadingHTTPServer):
    """Answers every GET and POST with the same status; passes pings on to `pings_of`, as a proxy would."""

    def __init__(self, get: int, post: int, pings_of: Endpoint | None) -> None:
        super().__init__(("127.0.0.1", 0), _OtherHandler)
        self.get, self.post, self.pings_of = get, post, pings_of
        self.base_url = f"http://127.0.0.1:{self.server_port}"
        self.paths: list[str] = []


class _OtherHandler(BaseHTTPRequestHandler):
    server: _OtherServer

    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        if self.server.pings_of and self.path.startswith("/push/ping"):
            answer = httpx.get(f"{self.server.pings_of.base_url}{self.path}")
            self.send_response(answer.status_code)
            self.end_headers()
            self.wfile.write(answer.content)
            return
        self.send_response(self.server.get)
        self.end_headers()

    def do_POST(self) -> None:
        self.server.paths.append(self.path)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.post)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def _other_server(*, get: int, post: int, pings_of: Endpoint | None = None) -> Iterator[_OtherServer]:
    with _OtherServer(get, post, pings_of) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"SMSRECON_RECEIVE__PATH_SECRET": ""}, "receive.path_secret"),
        ({"SMSRECON_RECEIVE__PATH_SECRET": "short"}, "16 characters"),
        *(
            ({"SMSRECON_RECEIVE__PATH_SECRET": f"0123456789{letter}0123456789"}, "other characters than letters")
            for letter in "/?#%é .\n"
        ),
        ({"SMSRECON_RECEIVE__PUBLIC_URL": "http://sms.example.com"}, "receive.allow_clear_text = true"),
        (
            {"SMSRECON_RECEIVE__HOST": "198.51.100.1"},
            "receive.host leads to http://198.51.100.1, which is not encrypted",
        ),
        ({"SMSRECON_GATEWAY__APP_KEY": ""}, "gateway.app_key"),
        ({"SMSRECON_RECEIVE__SIGN": "md4"}, "receive.sign"),
        ({"SMSRECON_RECEIVE__SIGN": "no_module:verify"}, "receive.sign"),
        ({"SMSRECON_RECEIVE__ALLOW": '["everybody"]'}, "receive.allow"),
        ({"SMSRECON_RECEIVE__HOST": "198.51.100.1", "SMSRECON_RECEIVE__ALLOW_CLEAR_TEXT": "1"}, "can't listen"),
    ],
)
def test_wrong_settings_are_one_line_and_nothing_listens(tmp_path: Path, variables: dict[str, str], words: str) -> None:
    own = {"SMSRECON_GATEWAY__APP_KEY": "key", "SMSRECON_RECEIVE__PATH_SECRET": PATH_SECRET}
    Place(tmp_path, own).run("receive", **variables).fails(2, words)


def test_certificates_that_can_not_be_read_are_named_by_doctor(tmp_path: Path) -> None:
    own = {"SMSRECON_GATEWAY__APP_KEY": "key", "SMSRECON_RECEIVE__PATH_SECRET": PATH_SECRET}
    closed = {"SMSRECON_GATEWAY__BASE_URL": "http://127.0.0.1:1/", "SMSRECON_GATEWAY__APP_SECRET": "secret"}

    verdict, detail = _endpoint_of(Place(tmp_path, own | closed), SSL_CERT_FILE="/proc/none")

    assert (verdict, detail[:35]) == ("error", "the certificates that SSL_CERT_FILE")


def test_an_invalid_port_is_refused(tmp_path: Path) -> None:
    own = {"SMSRECON_GATEWAY__APP_KEY": "key", "SMSRECON_RECEIVE__PATH_SECRET": PATH_SECRET}
    Place(tmp_path, own).run("receive --port 65536").fails(2, "--port 65536", "65535")

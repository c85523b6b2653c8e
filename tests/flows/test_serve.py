"""`smsrecon serve`: all deployments in one process, each campaign sent once, and no process left after the end."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from unittest import mock

import httpx
import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_SSL_CERT_FILE, PREFECT_API_URL, temporary_settings

from pipelines.cli.exits import stopped_by_sigterm
from pipelines.flows import server
from pipelines.flows.campaign import submit_campaign
from pipelines.flows.serving import ui_url
from pipelines.sandbox import SandboxSettings
from tests.flows.places import API, CONTENT, FlowPlace, all_arguments, until
from tests.support.depth import cases
from tests.support.places import Place
from tests.support.ports import free_port
from tests.support.sandboxes import ForkedSandbox

RUNS = cases(fast=2, deep=10)
COMMAND = (sys.executable, "-c", "from pipelines.cli.main import main; main()")

# Variables as a proxy, another server and another home leave them; nothing is at these addresses.
LEFT_BY_OTHERS = {
    "HTTP_PROXY": "http://127.0.0.1:1",
    "ALL_PROXY": "socks5://127.0.0.1:1",
    "NO_PROXY": "",
    "PREFECT_API_URL": "http://127.0.0.1:1/api",
    "PREFECT_API_AUTH_STRING": "another:one",
    "PREFECT_HOME": "/proc/none",
    "PREFECT_PROFILE": "none",
    "PREFECT_SERVER_API_BASE_PATH": "/other",
    "PREFECT_SERVER_UI_STATIC_DIRECTORY": "/proc/none/ui",
    "PREFECT_UI_API_URL": "http://127.0.0.1:1/api",
    "PREFECT_UI_URL": "http://127.0.0.1:1",
}


@contextmanager
def serving(place: FlowPlace, *options: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `smsrecon serve` as a process; its output is in the file `serve.log` of the folder."""
    environment = os.environ | {"PREFECT_RUNNER_POLL_FREQUENCY": "1"} | variables
    log = place.folder / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*COMMAND, "--config", str(place.config), "serve", *options],
            cwd=place.folder,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        until(lambda: b"Ctrl-C stops" in log.read_bytes() or process.poll() is not None)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()  # so that it stops its server, too
        try:
            assert process.wait(60) == 0, log.read_text()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def served(api: API, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlowPlace]:
    """A folder with `serve` running and all deployments registered; its gateway accepts ten batches a second."""
    folder = tmp_path_factory.mktemp("served")
    with ForkedSandbox(SandboxSettings(truth=folder / "truth.sqlite")) as gateway:
        place = FlowPlace(folder, gateway)
        place.configure(gateway=f"{place.account}\nrequests_per_second = 10")
        with serving(place, PREFECT_API_URL=api.url):
            api.ready()
            yield place


def test_wrong_parameters_are_refused_before_a_run_is_created(api: API, served: FlowPlace) -> None:
    refused = api.start("submit-campaign", campaign_id="Spring!", path="people.parquet")

    assert refused.status_code == 409
    assert "campaign_id" in refused.text


@pytest.mark.cases(RUNS)
def test_runs_of_a_campaign_at_the_same_moment_send_each_message_once(api: API, served: FlowPlace) -> None:
    path = served.people(200)

    started = [api.start("submit-campaign", campaign_id="often", path=path, content=CONTENT) for _ in range(RUNS)]
    runs = [api.ended(each) for each in started]

    assert "Completed" in {run["state_name"] for run in runs}
    for run in runs:
        assert run["state_name"] == "Completed" or run["state"]["message"].startswith("busy: campaign often is being")
    assert served.accepted_phones() == [str(13800000000 + number) for number in range(200)]


@pytest.mark.parametrize("is_accepted", cases(fast=[False], deep=[False, True]), ids=lambda it: f"accepted-{it}")
def test_the_next_run_continues_a_campaign_whose_run_was_killed_and_its_books_close(
    api: API, served: FlowPlace, monkeypatch: pytest.MonkeyPatch, is_accepted: bool
) -> None:
    """A batch is in flight then, and is in doubt. Reports settle that only if the gateway has accepted it."""
    campaign = f"killed-{is_accepted}".lower()
    before = served.accepted_phones()
    path = served.people(400)
    started = api.start("submit-campaign", campaign_id=campaign, path=path, content=CONTENT).json()["id"]
    until(lambda: len(served.accepted_phones()) >= len(before) + 50)
    served.gateway.control(faults=[{"kind": "delay", "seconds": 10.0, "is_accepted": is_accepted}])
    time.sleep(0.5)  # as long as five batches take, the first of them in flight until the end
    for pid in runs_of(started):
        os.kill(pid, signal.SIGKILL)
    sent_when_killed = len(served.accepted_phones()) - len(before)

    monkeypatch.setenv("SMSRECON_CONFIG", str(served.config))
    ended = submit_campaign(campaign, path, CONTENT, return_state=True)
    served.gateway.control(clock_shift_seconds=3600.0)
    day = api.ended(api.start("daily"))

    assert 50 <= sent_when_killed < 400
    sent = Counter(served.accepted_phones()) - Counter(before)
    assert set(sent.values()) == {1}  # a batch in doubt is not sent again
    (row,) = [row for row in books(api, day["id"]) if row["campaign"] == campaign]
    assert (row["rows"], row["balanced"], row["planned"], row["refused"]) == (400, "yes", 0, 0)
    never_sent = 400 - len(sent) - row["suppressed"]  # who opted out of the campaign before this one
    assert row["in doubt"] == never_sent
    assert never_sent in ({0, 10, 20, 30} if is_accepted else {10, 20, 30, 40})  # of four batches in flight
    assert ended.type.value == "FAILED"


def test_the_database_of_a_server_is_its_owners_alone(api: API) -> None:
    assert api.database.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("number", cases(fast=[signal.SIGINT], deep=[signal.SIGINT, signal.SIGTERM]))
def test_with_server_starts_a_server_and_a_signal_stops_everything_cleanly(
    number: signal.Signals, api: API, place: FlowPlace
) -> None:
    port = free_port()
    mine = API(f"http://127.0.0.1:{port}/api", place.folder / "data" / "prefect" / "prefect.db")
    mine.database.parent.mkdir(parents=True)
    shutil.copy(api.empty_database, mine.database)
    commands = Place(place.folder)
    with serving(place, "--with-server", "--port", str(port), **LEFT_BY_OTHERS) as process:
        said = (place.folder / "serve.log").read_text()
        assert f"Prefect UI: http://127.0.0.1:{port} " in said
        assert f"Log-in: the line in {mine.database.with_name('login')}" in said
        mine.log_in()
        mine.ready()
        page = httpx.get(f"http://127.0.0.1:{port}", follow_redirects=True, trust_env=False)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        until(lambda: {"ui", "runner"} <= {path.name for path in mine.database.parent.iterdir()})  # not shared by users
        commands.run(f"serve --with-server --port {port}").fails(2, "is not free")
        place.configure(gateway=f"{place.account}\nconcurrency = 1\nrequests_per_second = 20")
        started = mine.start("submit-campaign", campaign_id="spring", path=place.people(400), content=CONTENT)
        until(lambda: len(place.accepted_phones()) >= 20 or None)
        place.gateway.control(faults=[{"kind": "delay", "seconds": 2.0}])  # a slow answer
        time.sleep(0.5)
        flow_run_id = started.json()["id"]
        (pid,) = runs_of(flow_run_id)
        assert mine.secret not in all_arguments()
        os.killpg(process.pid, number)
        code = process.wait(60)
    mine.close()

    assert (code, is_running(pid)) == (0, False)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/api/health")
    status = commands.run("status spring --json").object
    assert (status["batches"]["in_doubt"], status["statuses"]["in_doubt"]) == (0, 0)
    assert 0 < status["statuses"]["planned"] < 400
    assert status["paused_reason"].startswith("stopped by SIG")
    with closing(sqlite3.connect(mine.database)) as database:
        runs = dict(database.execute("SELECT name, state_type FROM flow_run WHERE start_time IS NOT NULL").fetchall())
    assert runs["submit spring"] == "CANCELLED"  # so the run, too, was given the log-in
    for path in (mine.database, place.folder / "serve.log", mine.database.with_name("server.log")):
        assert mine.secret not in path.read_bytes()


def test_a_signal_during_the_start_leaves_no_server(place: FlowPlace) -> None:
    command = [*COMMAND, "--config", str(place.config), "serve", "--with-server", "--port", str(free_port())]
    with subprocess.Popen(command, cwd=place.folder, stderr=subprocess.PIPE) as process:
        server = until(lambda: children(process.pid) or None)

        process.terminate()
        _, said = process.communicate(timeout=60)

    assert (process.returncode, said.splitlines()[-1][:17]) == (130, b"smsrecon: stopped")
    assert not any(map(is_running, server))


def test_a_signal_that_an_import_catches_stops_the_start_nevertheless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def catch_it() -> None:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(server, "require_prefect", catch_it)

    with (
        mock.patch.dict(os.environ),
        stopped_by_sigterm(),
        pytest.raises(KeyboardInterrupt),
        server.running_server(tmp_path, free_port(), lambda _: None),
    ):
        pytest.fail("it has started")


def test_a_signal_as_soon_as_it_serves_is_its_orderly_end(api: API, place: FlowPlace) -> None:
    with serving(place, PREFECT_API_URL=api.url) as process:  # which looks at the exit code
        process.terminate()
        process.wait(60)


@pytest.mark.parametrize(
    ("url", "words"), [(None, "no Prefect server is configured"), ("http://127.0.0.1:1/api", "does not answer")]
)
def test_serve_without_a_server_names_the_next_step(url: str | None, words: str, place: FlowPlace) -> None:
    with temporary_settings({PREFECT_API_URL: url}):
        Place(place.folder).run("serve").fails(2, words, "--with-server")


@pytest.mark.parametrize("login", [None, "smsrecon:another"])
def test_a_server_that_asks_for_a_password_names_the_setting(login: str | None, api: API, place: FlowPlace) -> None:
    with temporary_settings({PREFECT_API_URL: api.url, PREFECT_API_AUTH_STRING: login}):
        Place(place.folder).run("serve").fails(2, "asks for a password", "set PREFECT_API_AUTH_STRING")


def test_a_server_without_a_log_in_is_refused_unless_accepted_by_name(place: FlowPlace) -> None:
    class Open(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Open) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        with temporary_settings({PREFECT_API_URL: url, PREFECT_API_AUTH_STRING: "any:thing"}):
            Place(place.folder).run("serve").fails(2, "has no log-in", "--accept-open-server")
            assert ui_url(accept_open_server=True)
        server.shutdown()


def test_a_proxy_that_can_not_be_used_for_a_server_elsewhere_is_named(place: FlowPlace) -> None:
    with temporary_settings({PREFECT_API_URL: "http://prefect.invalid/api"}):
        proxies = {"ALL_PROXY": "socks5://127.0.0.1:1", "NO_PROXY": "", "no_proxy": ""}
        Place(place.folder).run("serve", **proxies).fails(2, "ALL_PROXY", "NO_PROXY='*'")


def test_a_setting_that_prefect_can_not_read_is_named_without_its_value(place: FlowPlace) -> None:
    command = [*COMMAND, "--config", str(place.config), "serve"]
    ended = subprocess.run(
        command, env=os.environ | {"PREFECT_LOGGING_LEVEL": "NONSENSE"}, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr
    assert "(level of LoggingSettings); correct or unset" in ended.stderr
    assert "NONSENSE" not in ended.stderr


def test_certificates_that_can_not_be_read_are_named(api: API, place: FlowPlace) -> None:
    with temporary_settings({PREFECT_API_URL: api.url, PREFECT_API_SSL_CERT_FILE: "/proc/none"}):
        Place(place.folder).run("serve").fails(2, "PREFECT_API_SSL_CERT_FILE", "correct or unset")


def runs_of(flow_run_id: str) -> list[int]:
    """The process ids of flow runs."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes()
        except OSError:
            continue
        if f"PREFECT__FLOW_RUN_ID={flow_run_id}".encode() in variables:
            found.append(int(folder.name))
    return found


def children(pid: int) -> list[int]:
    """The process ids of a process's children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def books(api: API, flow_run_id: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(api.artifacts(flow_run_id)["books"])
    return rows

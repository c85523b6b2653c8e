"""The sandbox as a process: it starts fast, explains errors, survives kill -9, and never outlives its parent."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

import pipelines
from pipelines.errors import UsageError
from pipelines.sandbox import RunningSandbox, SandboxSettings, Shares

Ask = Callable[..., httpx.Response]
TruthOf = Callable[..., list[tuple[Any, ...]]]

SEND = {"phones": "13800000000", "content": "【云鋒網絡】验证码123456"}


@pytest.fixture
def sandbox_type() -> type[RunningSandbox]:
    """No fork, since the start and the end of its process are tested."""
    return RunningSandbox


def test_the_truth_survives_a_kill_and_the_sandbox_restarts_on_the_same_port(
    sandbox: RunningSandbox, ask: Ask, truth_of: TruthOf
) -> None:
    ask(sandbox, "sendSms.json", **SEND, batchNum="b1")
    base_url = sandbox.base_url
    sandbox.kill()
    assert truth_of(sandbox, "SELECT phone, batch_num FROM messages") == [("13800000000", "b1")]
    sandbox.start()
    assert sandbox.base_url == base_url
    assert ask(sandbox, "sendSms.json", **SEND, batchNum="b1").json()["errorCode"] == "100001"
    assert ask(sandbox, "querySmsCount.json").json()["count"] == 999_999


def test_sends_answered_before_a_kill_are_in_the_truth(sandbox: RunningSandbox, ask: Ask, truth_of: TruthOf) -> None:
    answered: list[str] = []
    enough = threading.Event()

    def send_on() -> None:
        for batch_num in (f"b{number}" for number in range(100_000)):
            ask(sandbox, "sendSms.json", **SEND, batchNum=batch_num)
            answered.append(batch_num)
            if len(answered) > 10:
                enough.set()

    def kill_once_enough_are_answered() -> None:
        enough.wait(timeout=60)
        sandbox.kill()

    killer = threading.Thread(target=kill_once_enough_are_answered)
    killer.start()
    with pytest.raises(httpx.TransportError):
        send_on()
    killer.join()
    kept = [batch_num for (batch_num,) in truth_of(sandbox, "SELECT batch_num FROM messages ORDER BY message")]
    assert len(answered) > 10
    assert kept[: len(answered)] == answered
    assert len(kept) <= len(answered) + 1


def test_a_client_that_disconnects_in_the_middle_of_its_request_leaves_no_trace(
    sandbox: RunningSandbox, ask: Ask, truth_of: TruthOf, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection((sandbox.settings.host, sandbox.settings.port)) as connection:
        connection.sendall(b"POST /api/v2/sendSms.json HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nphones=138")
    assert ask(sandbox, "sendSms.json", **SEND).json()["errorCode"] == "000000"
    assert truth_of(sandbox, "SELECT count(*) FROM requests") == [(1,)]
    sandbox.stop()
    assert capfd.readouterr().err == ""


def test_starting_loads_no_heavy_package() -> None:
    heavy = "{'polars', 'duckdb', 'pandera', 'httpx', 'pydantic'}"
    script = f"import sys, pipelines.sandbox.__main__; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == b"[]"


def test_it_runs_in_the_folder_of_the_package_to_find_it_even_if_it_is_not_installed(
    sandbox: RunningSandbox,
) -> None:
    running = [  # among them those of other tests of this worker
        path for path in Path("/proc").glob("[0-9]*") if _is_child(path) and b"pipelines.sandbox" in _command(path)
    ]

    assert {(process / "cwd").resolve() for process in running} == {Path(pipelines.__file__).parents[1]}


def _is_child(process: Path) -> bool:
    with suppress(OSError):  # it has just ended
        return (process / "stat").read_text().rpartition(")")[2].split()[1] == str(os.getpid())
    return False


def _command(process: Path) -> bytes:
    with suppress(OSError):
        return (process / "cmdline").read_bytes()
    return b""


def test_a_taken_port_is_an_error_of_one_line(sandbox: RunningSandbox, tmp_path: Path) -> None:
    settings = SandboxSettings(truth=tmp_path / "other.sqlite", port=sandbox.settings.port)
    with pytest.raises(UsageError, match=f"can't listen on 127.0.0.1:{sandbox.settings.port} .*; choose another port"):
        RunningSandbox(settings).start()


def test_it_listens_on_an_ipv6_address(tmp_path: Path) -> None:
    settings = SandboxSettings(truth=tmp_path / "truth.sqlite", host="::1", port=0)
    with RunningSandbox(settings) as running:
        assert running.base_url.startswith("http://[::1]:")
        assert httpx.get(running.base_url, trust_env=False).status_code < 500


def test_an_address_that_is_none_is_an_error_of_one_line(tmp_path: Path) -> None:
    settings = SandboxSettings(truth=tmp_path / "truth.sqlite", host="::none")
    with pytest.raises(UsageError, match=r"can't listen on ::none:\d+ \([A-Z][a-z].*\); choose another port"):
        RunningSandbox(settings).start()


def test_a_truth_file_that_can_not_be_written_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "truth").write_text("not a database, but long enough to be taken for one" * 100)
    for path in (tmp_path / "truth", tmp_path / "no folder" / "truth"):
        with pytest.raises(UsageError, match=r"can't write its truth there .*; choose another file"):
            RunningSandbox(SandboxSettings(truth=path)).start()


def test_only_the_owner_can_read_the_truth_file(sandbox: RunningSandbox) -> None:
    assert sandbox.settings.truth.stat().st_mode & 0o777 == 0o600


def test_it_does_not_outlive_the_process_that_started_it(tmp_path: Path) -> None:
    script = f"""
import os, signal
from pathlib import Path
from pipelines.sandbox import RunningSandbox, SandboxSettings
sandbox = RunningSandbox(SandboxSettings(truth=Path({str(tmp_path / "truth")!r})))
sandbox.start()
print(sandbox.settings.port, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, cwd=Path(__file__).parents[2], check=False
    )
    port = int(done.stdout)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.05)
    pytest.fail("it still listens")


def test_the_secret_is_in_no_repr_and_in_no_process_list(tmp_path: Path) -> None:
    settings = SandboxSettings(truth=tmp_path / "truth", app_secret="canary-secret")
    assert "canary" not in repr(settings)
    with RunningSandbox(settings):
        commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
    assert not any(b"canary-secret" in command for command in commands)


def test_settings_pass_through_the_pipe_unchanged(tmp_path: Path) -> None:
    settings = SandboxSettings(
        truth=tmp_path / "truth",
        signatures=("云鋒網絡",),
        templates={"1": "{}"},
        fault_kinds=("drop",),
        shares=Shares(late=1),
    )
    assert SandboxSettings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize("wrong", [{"port": 70_000}, {"fault_rate": 2.0}])
def test_a_wrong_setting_is_refused(wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        SandboxSettings(truth=tmp_path / "truth", **wrong)


@pytest.mark.parametrize(
    "wrong", [{"late": -0.1}, {"failed": 0.9, "unreported": 0.2}, {"duplicate": 0.9, "conflict": 0.2}]
)
def test_a_wrong_share_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Shares(**wrong)

"""How commands end: by Ctrl-C, with a closed or full output, in an ASCII terminal. And which modules they import."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pipelines.campaign.journal.journal import Journal
from tests.support.places import CONTENT, Closed, Place, ended

SLOWLY = {"SMSRECON_PLAN__BATCH_SIZE": "1", "SMSRECON_GATEWAY__REQUESTS_PER_SECOND": "20"}


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_campaign_has_one_sender_and_ctrl_c_says_how_to_continue(sending: Place) -> None:
    pl.DataFrame({"phone": [f"138{row:08}" for row in range(40)]}).write_parquet(sending.folder / "people.parquet")
    submit = f"submit people.parquet --campaign slow --content {CONTENT} --json"
    with sending.start(submit, variables=SLOWLY) as process:
        until(lambda: bool(_accepted(sending)))
        sending.run(submit).fails(15, "slow", "smsrecon status slow")
        sending.run("resume slow --json").fails(15, "slow", "smsrecon status slow")
        process.send_signal(signal.SIGINT)
        stopped = ended(process)

    stopped.fails(130, "paused", "smsrecon resume slow")
    accepted = stopped.object["submitted_now"]["accepted"]
    assert 0 < accepted < 40
    assert stopped.object["still_to_send"] == 40 - accepted
    assert sending.run("status slow --json").object["paused_reason"] == stopped.object["paused_reason"]

    resumed = sending.run("resume slow --json")
    assert (resumed.code, resumed.object["submitted_now"]["accepted"]) == (0, 40 - accepted)


def test_ctrl_c_ends_a_pull_that_waits_for_an_answer(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        base_url = f"http://127.0.0.1:{silent.getsockname()[1]}/api/v2/"
        with place.start("pull", variables={"SMSRECON_GATEWAY__BASE_URL": base_url}) as process:
            connection, _ = silent.accept()
            process.send_signal(signal.SIGINT)
            stopped = ended(process)
            connection.close()

    stopped.fails(130, "run the same command again")
    assert not stopped.out
    assert not [file for file in place.files() if "draft" in file]


def test_ctrl_c_ends_a_query(closed: Closed) -> None:
    query = "SELECT sum(a.input_row * b.input_row % 7) FROM messages AS a, messages AS b, range(1000000)"
    with closed.place.start(f'--config demo/smsrecon.toml sql "{query}"') as process:
        until(lambda: _cpu_seconds(process.pid) > 1.5)
        process.send_signal(signal.SIGINT)
        ended(process).fails(130, "stopped")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_sandbox_prints_its_address_and_ends_by_a_signal(number: int, place: Place) -> None:
    with place.start("sandbox --port 0", variables={"LC_ALL": "C"}) as process:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        variable, base_url = line.strip().split("=")
        assert place.run("doctor", **{variable: base_url}).code == 0
        process.send_signal(number)
        stopped = ended(process)

    assert (stopped.out, stopped.err) == ("", "")
    assert stopped.code in (0, -signal.SIGTERM)
    assert (place.folder / "sandbox.sqlite").is_file()


def test_a_port_in_use_is_reported(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        place.run(f"sandbox --port {port}").fails(2, f"127.0.0.1:{port}", "another port")


READERS = {
    "sql": "--config demo/smsrecon.toml sql 'FROM messages' --json",
    "tables": "--config demo/smsrecon.toml sql",
    "help": "--help",
}


@pytest.mark.parametrize("name", READERS)
def test_a_closed_pipe_is_not_an_error(name: str, closed: Closed) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with closed.place.start(READERS[name], stdout=writer) as process:
        os.close(writer)
        _, err = process.communicate()

    assert (process.returncode, err) == (141, b"")


def test_a_full_output_is_reported(closed: Closed) -> None:
    with Path("/dev/full").open("wb") as full, closed.place.start(READERS["tables"], stdout=full) as process:
        ended(process).fails(2, "No space left on device")


def test_a_closed_output_is_not_an_error(closed: Closed) -> None:
    shell = f"{sys.executable} -c 'from pipelines.cli.main import main; main()' {READERS['tables']} --json >&- 2>&-"
    assert subprocess.run(shell, shell=True, cwd=closed.place.folder, check=False).returncode == 0  # noqa: S602


ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def test_pages_are_readable_in_an_ascii_terminal(closed: Closed) -> None:
    status = ended(closed.place.start("--config demo/smsrecon.toml status autumn-sale", variables=ASCII))

    assert (status.code, status.err) == (0, "")
    assert "#########  a report confirms it" in status.out  # ASCII has no block characters


def test_json_is_plain_ascii_in_an_ascii_terminal(closed: Closed) -> None:
    query = "SELECT meaning_zh FROM code_breakdown WHERE code = 'DELIVRD'"
    shown = ended(closed.place.start(f'--config demo/smsrecon.toml sql --json "{query}"', variables=ASCII))

    assert shown.object == {"rows": [{"meaning_zh": "已送达"}]}
    assert shown.out.isascii()


def test_no_environment_variable_is_needed(closed: Closed) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "from pipelines.cli.main import main; main()", "--config", "demo/smsrecon.toml", "sql"],
        cwd=closed.place.folder,
        env={},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        shown = ended(process)

    assert (shown.code, shown.err) == (0, "")
    assert "messages" in shown.out


HEAVY = {
    "duckdb", "httpx", "lxml", "msgspec", "numpy", "pandas", "pandera", "polars", "prefect", "pyarrow", "pydantic",
    "stamina", "starlette", "uvicorn",
}  # fmt: skip
WEIGHTS = {
    "--help": set(),
    "--version": set(),
    "submit --help": set(),
    "sandbox --help": {"msgspec"},
    "init": {"pydantic"},
    "sql": {"duckdb", "numpy", "polars", "pyarrow", "pydantic"},
    "sandbox --port 70000": {"msgspec"},
}


@pytest.mark.parametrize("command", WEIGHTS)
def test_a_command_imports_no_more_than_it_needs(command: str, place: Place) -> None:
    assert _imported(command, place.folder) <= WEIGHTS[command]


@pytest.mark.parametrize("command", ["status", "load", "reconcile"])
def test_without_news_nothing_is_imported_that_only_new_rows_or_the_gateway_need(command: str, closed: Closed) -> None:
    assert closed.place.run("status").code == 0

    assert _imported(command, closed.place.folder / "demo") <= {"duckdb", "lxml", "msgspec", "polars", "pydantic"}


def _imported(command: str, folder: Path) -> set[str]:
    """The heavy packages that a process of the command has imported at its end."""
    code = (
        "import atexit, sys\n"
        "from pipelines.cli.main import main\n"
        f"atexit.register(lambda: print(*sorted({HEAVY} & set(sys.modules)), file=sys.stderr))\n"
        "main()"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, *command.split()], cwd=folder, capture_output=True, text=True, check=False
    )
    return set(process.stderr.splitlines()[-1].split())


def _accepted(place: Place) -> list[str]:
    with Journal.read_only(place.folder / "data/landing/journal.sqlite") as journal:
        return [batch.batch_num for batch in journal.batches("slow") if batch.state == "accepted"]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

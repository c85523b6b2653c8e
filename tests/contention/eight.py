"""Eight who work on one data folder at once: two send, one each pulls, loads, reconciles and publishes, two read.

Everybody starts again as soon as they are done, until the time is over. Commands are processes of their own, and so is
each question of an analyst.
"""

import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import polars as pl

from pipelines.sandbox import SandboxSettings
from pipelines.sandbox.settings import Shares
from tests.support.places import CONTENT, Place, gateway_at
from tests.support.sandboxes import ForkedSandbox

PEOPLE = 300
BUSY = 15

# What an analyst runs: a session that is left open for a while and asks the whole copy again and again, the marts and
# the Parquet behind the views. It sees one state of the books, whatever is published meanwhile.
_ASK = """
import duckdb, sys, time
with duckdb.connect(sys.argv[1], read_only=True) as published:
    seen = set()
    for _ in range(int(sys.argv[2])):
        rows, = published.execute("SELECT coalesce(sum(row_count), 0) FROM marts.campaign_delivery").fetchone()
        messages, = published.execute("SELECT count(*) FROM messages").fetchone()
        replies, = published.execute("SELECT count(*) FROM replies").fetchone()
        assert rows == messages, (rows, messages)
        seen.add((messages, replies))
        time.sleep(0.1)
assert len(seen) == 1, seen
"""


@dataclass
class Record:
    """Record of every process: exit codes with their counts, and output in unexpected places."""

    patient: Sequence[int]  # how who waits for the warehouse may end
    codes: dict[str, Counter[int]] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def add(self, who: str, code: int, said: str, *, may_end_with: Sequence[int]) -> None:
        self.codes.setdefault(who, Counter())[code] += 1
        if code not in may_end_with:
            self.complaints.append(f"{who} ended with {code}: {said}")


def trial(folder: Path, *, seconds: float) -> Record:
    """Let eight work in an empty folder for so long; what must hold then is among the complaints where it doesn't."""
    settings = SandboxSettings(truth=folder / "gateway.sqlite", seed=5, balance=10**9, shares=Shares(orphan=0))
    (folder / "place").mkdir()
    with ForkedSandbox(settings) as gateway:
        place = Place(folder / "place", gateway_at(gateway.base_url) | {"SMSRECON_PLAN__BATCH_SIZE": "50"})
        place.run("daily")  # so that there is something to open from the first moment on
        record = work(place, seconds=seconds)
        for command in ("pull --days 1", "publish"):
            record.add("afterwards", *_run(place, command), may_end_with=(0,))
        status = place.run("status --json").object
    with closing(sqlite3.connect(settings.truth)) as truth:
        sent = truth.execute("SELECT count(*), count(DISTINCT phone) FROM messages").fetchone()
    campaigns = status["campaigns"]
    if sent != (PEOPLE * record.codes["submit"].total(),) * 2:
        record.complaints.append(f"{sent[0]} messages were sent to {sent[1]} people")
    if len(campaigns) != record.codes["submit"].total() or not all(books["is_balanced"] for books in campaigns):
        record.complaints.append(f"{len(campaigns)} campaigns are in the books, or one does not balance")
    return record


def work(place: Place, *, seconds: float) -> Record:
    """Let all eight work for so long, and then finish what was begun."""
    end = time.monotonic() + seconds
    record = Record(patient=(0, BUSY) if seconds > 60 else (0,))  # so long a busy warehouse is waited for
    data = place.folder / "data"
    works: dict[str, Callable[[], Iterator[None]]] = {
        "sender-a": lambda: _send(place, "a", record),
        "sender-b": lambda: _send(place, "b", record),
        "pull": lambda: _command(place, "pull --days 1", record),
        "load": lambda: _command(place, "load", record),
        "reconcile": lambda: _command(place, "reconcile", record),
        "publish": lambda: _command(place, "publish", record),
        "analyst-a": lambda: _ask(data, "analyst-a", record, times=1),
        "analyst-b": lambda: _ask(data, "analyst-b", record, times=100),
    }

    def repeat(steps: Iterator[None]) -> None:
        for _ in steps:
            if time.monotonic() > end:
                return

    threads = [threading.Thread(target=repeat, args=(begin(),), name=who) for who, begin in works.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return record


def _send(place: Place, who: str, record: Record) -> Iterator[None]:
    """One campaign after the other, each of other people."""
    for number in count():
        first = (ord(who) - ord("a")) * 50_000_000 + number * PEOPLE
        file = place.folder / f"{who}-{number}.parquet"
        pl.DataFrame({"phone": [str(13_800_000_000 + first + row) for row in range(PEOPLE)]}).write_parquet(file)
        ended = _run(place, f"submit {file.name} --campaign {who}-{number} --content {CONTENT} --json")
        record.add("submit", *ended, may_end_with=(0,))
        yield


def _command(place: Place, command: str, record: Record) -> Iterator[None]:
    while True:
        record.add(command.split(maxsplit=1)[0], *_run(place, f"{command} --json"), may_end_with=record.patient)
        yield


def _ask(data: Path, who: str, record: Record, *, times: int) -> Iterator[None]:
    path = str(data / "published" / "analytics.duckdb")
    while True:
        asked = subprocess.run(
            [sys.executable, "-c", _ASK, path, str(times)], capture_output=True, text=True, check=False
        )
        record.add(who, asked.returncode, asked.stderr.strip(), may_end_with=(0,))
        yield


def _run(place: Place, command: str) -> tuple[int, str]:
    with place.start(command) as process:
        _, said = process.communicate()
    return process.returncode, said.decode(errors="replace").strip()

"""The folder that flows run in, and the API of the Prefect server."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import polars as pl
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker

from pipelines.landing.landing import Landing
from pipelines.sandbox import RunningSandbox

CONTENT = "【公司】您好"
ENDS = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}

Found = TypeVar("Found")


@dataclass(frozen=True)
class API:
    """The HTTP API of a Prefect server."""

    url: str
    database: Path
    _client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60, trust_env=False), repr=False)

    @property
    def login(self) -> str:
        """The line in the file beside the database, which the server asks for."""
        return self.database.with_name("login").read_text()

    @property
    def secret(self) -> bytes:
        """The part of the log-in that nobody else may see."""
        return self.login.partition(":")[2].encode()

    def log_in(self) -> None:
        """Call with the log-in from now on: the server has made it."""
        self._client.auth = ("smsrecon", self.secret)

    def close(self) -> None:
        self._client.close()

    @property
    def empty_database(self) -> Path:
        """A copy of the database as it was at first: making its tables takes longer than anything a test does."""
        return self.database.with_name("empty.db")

    def keep_empty_copy(self) -> None:
        with (
            closing(sqlite3.connect(self.database)) as database,
            closing(sqlite3.connect(self.empty_database)) as copy,
        ):
            database.backup(copy)

    def get(self, path: str) -> Any:
        return self._client.get(self.url + path).raise_for_status().json()

    def ask(self, path: str, **body: Any) -> Any:
        return self._client.post(self.url + path, json=body).raise_for_status().json()

    def delete(self, path: str) -> None:
        """Delete what is there, if anything is."""
        self._client.delete(self.url + path)

    def start(self, name: str, **parameters: Any) -> httpx.Response:
        """Start a run of a deployment, as the form in the UI does."""
        deployment = self.get(f"/deployments/name/{name}/{name}")
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}

        def asked() -> httpx.Response | None:  # an overloaded server answers 503
            response = self._client.post(f"{self.url}/deployments/{deployment['id']}/create_flow_run", json=body)
            return response if response.status_code != 503 else None

        return until(asked)

    def ready(self) -> None:
        """Wait until `serve` has registered the last deployment."""
        path = f"{self.url}/deployments/name/watch-balance/watch-balance"
        until(lambda: self._client.get(path).is_success)

    def run(self, flow_run_id: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/flow_runs/{flow_run_id}")
        return found

    def ended(self, started: httpx.Response) -> dict[str, Any]:
        """Wait until the run has ended, and return it."""
        flow_run_id = started.raise_for_status().json()["id"]
        return until(lambda: found if (found := self.run(flow_run_id))["state_type"] in ENDS else None)

    def tasks(self, flow_run_id: Any, count: int) -> dict[str, str]:
        """The states of the tasks of a run by name, in order of their start, once this many have ended."""
        only = {"id": {"any_": [str(flow_run_id)]}}

        def ended() -> list[dict[str, Any]] | None:
            runs = self.ask("/task_runs/filter", flow_runs=only)
            is_all = len(runs) == count and {run["state_type"] for run in runs} <= ENDS
            return runs if is_all else None

        return {run["name"]: run["state_name"] for run in sorted(until(ended), key=lambda run: str(run["start_time"]))}

    def artifacts(self, flow_run_id: Any) -> dict[str, Any]:
        """The data of the artifacts of a run by key; progress bars have no key."""
        only = {"flow_run_id": {"any_": [str(flow_run_id)]}}
        return {found["key"]: found["data"] for found in self.ask("/artifacts/filter", artifacts=only)}

    def events(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("/events/filter", filter={"event": {"name": [name]}})["events"]
        return found


@dataclass(frozen=True)
class FlowPlace:
    """A folder to run flows in, with its configuration and its gateway."""

    folder: Path
    gateway: RunningSandbox

    @property
    def config(self) -> Path:
        return self.folder / "smsrecon.toml"

    @property
    def landing(self) -> Landing:
        return Landing(self.folder / "data" / "landing")

    @property
    def account(self) -> str:
        """The lines of [gateway] for this gateway."""
        account = self.gateway.settings
        return (
            f'base_url = "{self.gateway.base_url}"\napp_key = "{account.app_key}"\napp_secret = "{account.app_secret}"'
        )

    def configure(self, **tables: str) -> None:
        """Write the configuration; `tables` are lines by table."""
        lines = {
            "gateway": f"{self.account}\ntimeout_seconds = 2.0",
            "plan": "batch_size = 10",
            "schedule": "retry_delays_seconds = []",
        }
        written = "\n".join(f"[{name}]\n{text}" for name, text in (lines | tables).items())
        self.config.write_text(f"{written}\n", encoding="utf-8")

    def people(self, count: int, **columns: Any) -> str:
        """Write a file of `count` recipients, and return its path."""
        path = self.folder / "people.parquet"
        pl.DataFrame({"phone": [str(13800000000 + number) for number in range(count)], **columns}).write_parquet(path)
        return str(path)

    def truth(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.gateway.settings.truth)) as connection:
            return connection.execute(query).fetchall()

    def accepted_phones(self) -> list[str]:
        """The phones of all messages that the gateway accepted, sorted, with repetitions."""
        return [phone for (phone,) in self.truth("SELECT phone FROM messages ORDER BY phone")]


def all_arguments() -> bytes:
    """The arguments of all processes, which every user can read."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # the process has ended
            found.append(path.read_bytes())
    return b"\n".join(found)


def flush_to_server() -> None:
    """Send the logs and events of this process to the Prefect server, and end the connections used for them."""
    APILogWorker.drain_all()
    EventsWorker.drain_all()


def until(look: Callable[[], Found | None], seconds: float = 90) -> Found:
    """Poll `look` until it returns something, and return that."""
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at:
        if (found := look()) is not None and found is not False:
            return found
        time.sleep(0.25)  # each look is a request, which costs the server as much as a step of a flow
    raise AssertionError(f"nothing was found within {seconds} seconds")

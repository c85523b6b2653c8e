"""A data folder, its sandbox, and commands in processes that can be killed."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import SecretStr

from pipelines.landing.landing import Landing, landing_of
from pipelines.sandbox import SandboxSettings
from pipelines.settings import GatewaySettings, PlanSettings, PolicySettings, Settings
from pipelines.warehouse.database import warehouse_of
from tests.support import commands
from tests.support.sandboxes import ForkedSandbox
from tests.support.worlds import CONTENT, SENT_AGO, SHARES, World, people

BATCH_SIZE = 5
KILLED = -9
FAULTS = ("drop", "http_500", "truncated", "garbage", "system_error")  # without delays


@dataclass(frozen=True)
class Ended:
    """The end of a command: exit code and standard error."""

    command: str
    code: int
    err: str = field(repr=False)


@dataclass
class Place(World):
    """A world whose commands run in processes of their own."""

    @property
    def landing(self) -> Landing:
        return landing_of(self.settings)

    def new_campaign(self, rows: int, seed: int) -> str:
        """Write the file of another campaign without planning it."""
        campaign_id = f"c{len(self.campaigns)}"
        people(rows, seed).write_parquet(self.folder / f"{campaign_id}.parquet")
        self.campaigns.append(campaign_id)
        return campaign_id

    def phones(self, campaign_id: str) -> list[str]:
        """The valid phones in the file of a campaign."""
        file = pl.read_parquet(self.folder / f"{campaign_id}.parquet")
        return file["phone"].filter(file["phone"].str.contains("^1[3-9][0-9]{9}$")).to_list()

    def batches_in_doubt(self, campaign_id: str) -> set[str]:
        """The batches in doubt according to the warehouse."""
        with warehouse_of(self.settings).read() as connection:
            query = "SELECT batch_num FROM marts.batches_in_doubt WHERE campaign_id = ?"
            return {batch_num for (batch_num,) in connection.execute(query, [campaign_id]).fetchall()}

    def batches_taken(self) -> set[str]:
        """The numbers of the batches that the gateway accepted."""
        return {batch_num for (batch_num,) in self.truth("SELECT DISTINCT batch_num FROM messages")}

    def run(self, command: str, *, failpoint: str = "", kill_after: float | None = None) -> Ended:
        """Run a command of smsrecon until it ends or is killed. `submit c0` is short for the whole command line."""
        out, err = (self.folder / f"{threading.get_ident()}.{name}" for name in ("out", "err"))
        with out.open("wb") as stdout, err.open("wb") as stderr:
            code = commands.run(
                arguments(command),
                folder=self.folder,
                variables=commands.variables_of(self.settings) | {"SMSRECON_FAILPOINT": failpoint},
                stdout=stdout.fileno(),
                stderr=stderr.fileno(),
                ago_seconds=self.ago.total_seconds(),
                kill_after=kill_after,
            )
        return Ended(command, code, err.read_text(errors="replace"))

    @contextmanager
    def sandbox_dying(self, after: float, *, down_for: float = 0.3) -> Iterator[None]:
        """Kill the sandbox after so many seconds, and start it again a little later."""

        def die() -> None:
            time.sleep(after)
            self.sandbox.kill()
            time.sleep(down_for)
            self.sandbox.start()
            self.move_to(self.ago)

        thread = threading.Thread(target=die)
        thread.start()
        try:
            yield
        finally:
            thread.join()


@contextmanager
def running_place(
    folder: Path,
    *,
    data_dir: Path | None = None,
    policy: PolicySettings | None = None,
    **sandbox: Any,
) -> Iterator[Place]:
    """A place whose sandbox runs with these settings, its clock four days behind."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = SandboxSettings(
        truth=folder / "truth.sqlite",
        shares=SHARES,
        fault_kinds=FAULTS,
        clock_shift_seconds=-SENT_AGO.total_seconds(),
        **sandbox,
    )
    with ForkedSandbox(chosen) as running:
        settings = Settings(
            data_dir=data_dir or folder / "data",
            plan=PlanSettings(batch_size=BATCH_SIZE),
            policy=policy or PolicySettings(),
            gateway=GatewaySettings(
                base_url=running.base_url,
                app_key=chosen.app_key,
                app_secret=SecretStr(chosen.app_secret),
                timeout_seconds=5,
            ),
        )
        yield Place(folder, running, settings)


def arguments(command: str) -> list[str]:
    """The arguments of `smsrecon`."""
    name, *rest = command.split()
    if name == "submit":
        return ["submit", f"{rest[0]}.parquet", "--campaign", rest[0], "--content", CONTENT]
    return [name, *rest]

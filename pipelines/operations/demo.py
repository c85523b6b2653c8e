"""The demo: a campaign sent four days ago to a sandbox gateway, and its books closed today, on this machine.

Only the gateway and the people are invented: plan, journal, pulls, warehouse and marts are the real ones. The clocks of
the sender and of the sandbox are set back four days, so that all reports have come.
"""

import random
import shutil
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import polars as pl
from pydantic import SecretStr

from pipelines.campaign.plan import PlanRequest
from pipelines.campaign.submit import submit
from pipelines.errors import UsageError
from pipelines.landing.landing import landing_of
from pipelines.operations import daily_run
from pipelines.phones import PHONE
from pipelines.progress import Progress
from pipelines.sandbox import RunningSandbox, SandboxSettings
from pipelines.settings import GatewaySettings, PlanSettings, Settings

CAMPAIGN = "autumn-sale"
CONTENT = "【云鋒網絡】秋季会员日开始了:全场八折,凭此短信到店再送好礼一份。回复TD退订"
DAYS_AGO = timedelta(days=4)
SEED = 20

_MARKER = ".smsrecon-demo"
_CITIES = {"上海": 24, "北京": 21, "广州": 16, "深圳": 15, "成都": 14, "杭州": 10}
_PREFIXES = {"cm": ("135", "136", "138", "139", "150", "187"), "cu": ("130", "131", "155", "186"), "ct": ("133", "189")}

# The sandbox answers a batch that holds one of these with "malformed" and "asked too often".
_REFUSED_PHONES = ("19999990007", "19999990008")


def play(folder: Path, *, recipient_count: int, progress: Progress) -> Settings:
    """Send a campaign to `recipient_count` invented people and close its books; returns the settings for the folder.

    Writes everything beneath `folder`, replacing an earlier demo there; raises UsageError if something else is there.
    """
    if recipient_count < 1000:
        raise UsageError("the demo needs 1000 recipients or more to show something; raise --recipients")
    _clear(folder)
    progress(f"a Parquet file of {recipient_count:,} recipients: {folder}/recipients.parquet")
    people = _recipients(recipient_count)
    people.write_parquet(folder / "recipients.parquet")

    sandbox = SandboxSettings(
        truth=folder / "gateway.sqlite",
        seed=SEED,
        balance=2 * recipient_count,
        clock_shift_seconds=-DAYS_AGO.total_seconds(),
    )
    with RunningSandbox(sandbox) as gateway:
        settings = Settings(
            data_dir=folder / "data",
            gateway=GatewaySettings(
                base_url=gateway.base_url,
                app_key=sandbox.app_key,
                app_secret=SecretStr(sandbox.app_secret),
            ),
            # Twenty batches or more, so that the lost answer is to one in the first half, where none is refused.
            plan=PlanSettings(batch_size=min(recipient_count // 20, PlanSettings().batch_size)),
        )
        _write_config(folder, settings, sandbox)
        asked_at = datetime.now(UTC) - 2 * DAYS_AGO
        landing_of(settings).choose_number_key("demo")
        landing_of(settings).suppressions.land(_opt_outs(people, asked_at), name="opt-outs", at=asked_at)

        progress(f"campaign {CAMPAIGN}, sent four days ago; its gateway loses one answer")
        gateway.control(faults=[{"kind": "drop", "is_accepted": True}])
        sent = submit(
            PlanRequest(CAMPAIGN, folder / "recipients.parquet", CONTENT),
            settings=settings,
            clock=lambda: datetime.now(UTC) - DAYS_AGO,
        )
        if sent.pause is not None:  # only Ctrl-C pauses this campaign
            raise KeyboardInterrupt
        counts = sent.progress.counts
        progress(
            f"{counts['accepted']:,} accepted, {counts['refused']:,} refused,"
            f" {counts['in_doubt']:,} in doubt: no answer, so not sent again"
        )

        gateway.control(clock_shift_seconds=0)
        summary = daily_run.daily(settings, clock=lambda: datetime.now(UTC))
        if summary.books.load is not None:
            progress(f"{summary.books.load.new_report_count:,} reports pulled, loaded, reconciled and published")
    return settings


def _clear(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARKER).exists():
        raise UsageError(f"{folder} holds other files; choose another folder with --dir")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / _MARKER).touch()


def _recipients(count: int) -> pl.DataFrame:
    """phone, city, variant; 1 % of the phones are repeated, 1 % malformed, and 2 % have a prefix."""
    chance = random.Random(SEED)  # noqa: S311  the same people at every demo
    prefixes = [prefix for family in _PREFIXES.values() for prefix in family]
    phones = [f"{chance.choice(prefixes)}{chance.randrange(10**8):08}" for _ in range(count)]
    refused = chance.sample(range(count // 2, count), len(_REFUSED_PHONES))
    for row in chance.sample(range(count), count // 50):
        phones[row] = chance.choice(["+86 {}", "0086{}", "86-{}"]).format(phones[row])
    for row in chance.sample(range(count // 2), count // 100):
        phones[row] = phones[row + count // 2]
    for row in chance.sample(range(count), count // 100):
        phones[row] = chance.choice(["", "021-6288", "12345678901", phones[row][:-1]])
    for row, phone in zip(refused, _REFUSED_PHONES, strict=True):  # last, so that none stands in the first half too
        phones[row] = phone
    return pl.DataFrame(
        {
            "phone": phones,
            "city": chance.choices(list(_CITIES), list(_CITIES.values()), k=count),
            "variant": chance.choices("AB", k=count),
        }
    )


def _opt_outs(people: pl.DataFrame, since_at: datetime) -> bytes:
    """A suppression list with 0.5 % of the people, as Parquet."""
    phones = people["phone"].filter(people["phone"].str.contains(PHONE)).unique(maintain_order=True)
    asked = phones.sample(people.height // 200, seed=SEED).to_frame()
    content = BytesIO()
    asked.with_columns(reason=pl.lit("opted_out"), since_at=pl.lit(since_at)).write_parquet(content)
    return content.getvalue()


def _write_config(folder: Path, settings: Settings, sandbox: SandboxSettings) -> None:
    """Write the configuration for commands on the demo, as in smsrecon --config demo/smsrecon.toml status."""
    (folder / "smsrecon.toml").write_text(
        f'data_dir = "data"\n\n[gateway]\nbase_url = "{settings.gateway.base_url}"\n'
        f'app_key = "{sandbox.app_key}"\napp_secret = "{sandbox.app_secret}"  # of the sandbox\n',
        encoding="utf-8",
    )

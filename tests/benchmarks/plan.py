"""Planning, against polars only reading the input, hashing the phones and writing the columns of a plan.

What a process imports for its first plan is imported here: neither side's time has it.
"""

import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from pyarrow import parquet  # noqa: F401  imported by the first plan, else its 0.1 s were measured

from pipelines.campaign.plan import PlanRequest, make_plan
from pipelines.landing.landing import Landing
from pipelines.settings import Settings

CONTENT = "【云鋒網絡】秋季会员日开始了,回复TD退订"


def people(rows: int, seed: int = 1) -> pl.DataFrame:
    """phone, city, variant: 1 % repeated, 1 % malformed and 2 % written with +86."""
    draw = pl.int_range(rows, eager=True).sample(rows, shuffle=True, seed=seed)
    number = draw * 7919 % 10_000_000_000 % (7 * 10**9) + 3 * 10**9
    row = pl.int_range(pl.len())
    phone = pl.concat_str(pl.lit("1"), pl.col("number").cast(pl.String).str.zfill(10))
    return pl.select(number=number).select(
        phone=pl.when(row % 100 == 1)
        .then(phone.shift(50))
        .when(row % 100 == 2)
        .then(pl.lit("021-6288"))
        .when(row % 50 == 3)
        .then(pl.concat_str(pl.lit("+86 "), phone))
        .otherwise(phone),
        city=pl.Series(["上海", "北京", "广州"]).gather(draw % 3),
        variant=pl.Series(["A", "B"]).gather(draw % 2),
    )


def prepare(folder: Path, rows: int) -> None:
    people(rows).write_parquet(folder / "people.parquet")
    real(folder, rows)
    next((folder / "landing").glob("campaigns/*/plan.parquet")).rename(folder / "plan.parquet")


def real(folder: Path, rows: int) -> float:
    now = datetime.now(UTC)
    request = PlanRequest(f"bench-{now:%H%M%S%f}", folder / "people.parquet", CONTENT)
    started = time.perf_counter()
    plan = make_plan(request, landing=Landing(folder / "landing"), settings=Settings(data_dir=folder), at=now)
    seconds = time.perf_counter() - started
    if sum(plan.disposition_counts.values()) != rows:
        raise SystemExit("the plan lost rows")
    return seconds


def floor(folder: Path, rows: int) -> float:
    plan = pl.read_parquet(folder / "plan.parquet")
    started = time.perf_counter()
    read = pl.read_parquet(folder / "people.parquet")
    read.select(pl.col("phone").hash())
    plan.write_parquet(folder / "floor.parquet")
    return time.perf_counter() - started

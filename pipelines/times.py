"""China's time zone, in which the gateway and people here write times, the instants that are believed, and the clock.

Expressions are polars' own, but polars isn't imported: every command needs the clock, few need polars.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import polars as pl

CHINA: Final = ZoneInfo("Asia/Shanghai")
TIME_FORMAT: Final = "%Y-%m-%d %H:%M:%S%.f"  # the gateway's, as polars spells it; fractions of a second may be missing

Clock = Callable[[], datetime]

# An instant outside this range is wrong, and no tool can show some of them.
EARLIEST_INSTANT: Final = datetime(2000, 1, 1, tzinfo=CHINA)
LATEST_INSTANT: Final = datetime(2100, 1, 1, tzinfo=CHINA)


def in_china(time: "pl.Expr") -> "pl.Expr":
    """Times without a zone as the instants when China's clocks showed them.

    Clocks were last put back in 1991: of two such instants the earlier one is taken; a time that was skipped is null.
    """
    return time.dt.replace_time_zone(CHINA.key, ambiguous="earliest", non_existent="null")


def instants_from_text(text: "pl.Expr", *, also_days: bool = False) -> "pl.Expr":
    """Instants from texts such as `2026-11-22 08:00:00`, in China's time; null for other texts.

    A T may stand before the time of day, and a fraction of a second behind it. With `also_days` the seconds or the time
    of day may be missing: that is for what people write, a gateway's record without them is broken.
    """
    text = text.str.replace("T", " ", literal=True)
    instants = in_china(text.str.to_datetime(TIME_FORMAT, time_unit="us", strict=False))
    for form in ("%Y-%m-%d %H:%M", "%Y-%m-%d") if also_days else ():
        instants = instants.fill_null(in_china(text.str.to_datetime(form, time_unit="us", strict=False)))
    return instants

"""The gateway's time zone, the range of instants that are believed, and the clock that comes in as an argument."""

from collections.abc import Callable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

CHINA: Final = ZoneInfo("Asia/Shanghai")

Clock = Callable[[], datetime]

# An instant outside this range is a broken one, and some of them no tool can show.
EARLIEST_INSTANT: Final = datetime(2000, 1, 1, tzinfo=CHINA)
LATEST_INSTANT: Final = datetime(2100, 1, 1, tzinfo=CHINA)

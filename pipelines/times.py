"""China's time zone, in which the gateway and people here write times, the instants that are believed, and the clock.

Expressions are polars' own, but polars isn't imported: every command needs the clock, few need polars.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import polars as pl

CHINA: Final = ZoneInfo("Asia/Shanghai")
TIME_FORMAT: Final = "%Y-%m-%d %H:%M:%S%.f"  # the gateway's, as polars spells it; fractions of a second may be missing

WRITTEN_TIME: Final = (  # by gateways, consoles, Excel and people; as 15:05, 3:05 PM or 下午3:05
    r"^([0-9]{4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?[ T]*(上午|下午)? *"
    r"([0-9]{1,2})[:时時点]([0-9]{1,2})(?:[:分]([0-9]{1,2})?秒?)?分?(\.[0-9]+)?(?:\+08:?00)?(?: *([AaPp][Mm]))?$"
)
_DIGITS_TIME: Final = r"^([0-9]{4})([0-9]{2})([0-9]{2})()([0-9]{2})([0-9]{2})([0-9]{2})()()$"
_AFTERNOON: Final = "下午|[Pp]"
_EPOCH: Final = "^(1[0-9]{9})(?:[0-9]{3})?$"  # seconds, and perhaps milliseconds, of the years 2001 to 2033

Clock = Callable[[], datetime]

_1970: Final = datetime(1970, 1, 1, tzinfo=UTC)

# An instant outside this range is wrong, and no tool can show some of them.
EARLIEST_INSTANT: Final = datetime(2000, 1, 1, tzinfo=CHINA)
LATEST_INSTANT: Final = datetime(2100, 1, 1, tzinfo=CHINA)


def from_microseconds(count: int) -> datetime:
    """The instant that is so many microseconds after 1970 began, as the journal and file systems count."""
    return _1970 + timedelta(microseconds=count)


def to_microseconds(at: datetime) -> int:
    """The microseconds from the beginning of 1970 to an instant."""
    return (at - _1970) // timedelta(microseconds=1)


def in_china(time: "pl.Expr") -> "pl.Expr":
    """Times without a zone as the instants when China's clocks showed them.

    Clocks were last put back in 1991: of two such instants the earlier one is taken; a time that was skipped is null.
    """
    return time.dt.replace_time_zone(CHINA.key, ambiguous="earliest", non_existent="null")


def plain_time(text: "pl.Expr", *, needs_seconds: bool = False) -> "pl.Expr":
    """Times as `2026-11-22 08:00:00`, from the forms of gateways, consoles and Excel; null for other texts.

    The time is always China's: of offsets, only +08:00 is read. Missing seconds are 00, unless they are needed.
    """
    import polars as pl  # noqa: PLC0415

    def written(pattern: str) -> pl.Expr:
        part = text.str.normalize("NFKC").str.extract_groups(pattern).struct
        day = pl.concat_str([part[0], *(part[n].str.zfill(2) for n in (1, 2))], separator="-")
        hour = _hour(part[4], pl.coalesce(part[3], part[8]))
        second = (part[6] if needs_seconds else part[6].fill_null("00")).str.zfill(2)
        time = pl.concat_str([hour.str.zfill(2), part[5].str.zfill(2), second], separator=":")
        return pl.concat_str([day, pl.lit(" "), time, part[7].fill_null("")])

    return pl.coalesce(written(WRITTEN_TIME), written(_DIGITS_TIME))


def _hour(hour: "pl.Expr", half: "pl.Expr") -> "pl.Expr":
    """The hour of the day; null for a mistake such as 13:05 PM. 12:05 AM is 0:05."""
    import polars as pl  # noqa: PLC0415

    of_clock = hour.cast(pl.Int64)
    of_day = of_clock % 12 + 12 * half.str.contains(_AFTERNOON).cast(pl.Int64)
    is_whole_day = half.fill_null("") == ""
    return pl.when(is_whole_day).then(hour).when(of_clock <= 12).then(of_day.cast(pl.String))


def instants_from_text(text: "pl.Expr", *, also_days: bool = False) -> "pl.Expr":
    """Instants from texts such as `2026-11-22 08:00:00`, in China's time; null for other texts.

    The forms of `plain_time` are read too, ISO times with any offset, and seconds or milliseconds since 1970. With
    `also_days` the seconds or the time of day may be missing: that is for what people write, a gateway's record without
    them is broken.
    """
    import polars as pl  # noqa: PLC0415

    def read(texts: pl.Series) -> pl.Series:
        frame, value = texts.to_frame("text"), pl.col("text")
        instants = frame.select(_in_form(value, TIME_FORMAT)).to_series()
        if instants.null_count() == texts.null_count():  # nearly always: the other forms take longer
            return instants
        written = plain_time(value, needs_seconds=not also_days)
        epoch = pl.from_epoch(value.str.extract(_EPOCH).cast(pl.Int64)).cast(pl.Datetime("us", "UTC"))
        with_t = value.str.replace(" ", "T", literal=True)
        zoned = with_t.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
        others = [_in_form(value, form) for form in ("%Y-%m-%d %H:%M", "%Y-%m-%d") if also_days]
        found = pl.coalesce(
            _in_form(value, TIME_FORMAT),
            _in_form(written, TIME_FORMAT),
            *(utc.dt.convert_time_zone(CHINA.key) for utc in (zoned, epoch)),
            *others,
        )
        return frame.select(found).to_series()

    return text.map_batches(read, return_dtype=pl.Datetime("us", CHINA.key), is_elementwise=True)


def instant_from_text(text: str) -> datetime | None:
    """The instant that one text says, as `instants_from_text` reads it; None if it isn't believed."""
    import polars as pl  # noqa: PLC0415

    read = pl.select(instant=instants_from_text(pl.lit(text)))
    is_believed = pl.col("instant").is_between(EARLIEST_INSTANT, LATEST_INSTANT, closed="left")
    return next(iter(read.filter(is_believed)["instant"]), None)


def _in_form(text: "pl.Expr", form: str) -> "pl.Expr":
    return in_china(text.str.replace("T", " ", literal=True).str.to_datetime(form, time_unit="us", strict=False))

"""Expected rows of sql/reference/number_ranges.csv: carrier and province of every range, as phonenumbers has them.

Run as a program it writes that file again, once `make lock` has brought another version of phonenumbers.
"""

from itertools import groupby
from pathlib import Path

PATH = Path(__file__).parents[2] / "sql" / "reference" / "number_ranges.csv"
HEADER = "first_range,last_range,carrier,carrier_zh,province,province_zh"
MOBILE_RANGES = range(1300000, 2000000)
LONG_NAMES = ("内蒙古", "黑龙江")  # all other provinces have two characters

Place = tuple[str, str, str, str]
NOWHERE: Place = ("unknown", "未知", "unknown", "未知")


def place_of(number_range: int) -> Place:
    """Carrier and province, each in English and Chinese; a city goes by its province."""
    from phonenumbers import PhoneNumber, carrier, geocoder  # noqa: PLC0415  half a second, of few tests

    number = PhoneNumber(country_code=86, national_number=number_range * 10_000)
    carriers = carrier.name_for_number(number, "en"), carrier.name_for_number(number, "zh")
    area, area_zh = geocoder.description_for_number(number, "en"), geocoder.description_for_number(number, "zh")
    if not carriers[0]:
        carriers = NOWHERE[:2]
    if area in {"", "China"}:
        return (*carriers, *NOWHERE[2:])
    return (
        *carriers,
        area.split(", ")[-1],
        next((name for name in LONG_NAMES if area_zh.startswith(name)), area_zh[:2]),
    )


def lines() -> list[str]:
    """A line for each run of ranges of one place that begin with the same four digits; none where nothing is known."""
    runs = groupby(MOBILE_RANGES, key=lambda number_range: (number_range // 1000, place_of(number_range)))
    found = [HEADER]
    for (_, place), members in runs:
        if place != NOWHERE:
            run = list(members)
            found.append(",".join([str(run[0]), str(run[-1]), *place]))
    return found


if __name__ == "__main__":
    PATH.write_text("\n".join([*lines(), ""]), encoding="utf-8")

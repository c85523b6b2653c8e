"""Loading a day's pushes where the segments of a year were loaded before, against a hundredth of them."""

import time
from datetime import datetime, timedelta
from pathlib import Path

from pipelines.landing.listing import SETTLING_SECONDS
from pipelines.landing.segments.frames import frame_bytes
from pipelines.warehouse.loading.load import load
from tests.benchmarks.history import AS_OF, Place
from tests.support.endpoint import report

NEW = 1000  # pushes, in ten segments
PUSHES_A_SEGMENT = 10
_REPORTS = """
INSERT INTO core.reports
SELECT NULL, 'pushed' || i, (13000000000 + i * 7)::VARCHAR, 'DELIVRD', $first + to_seconds(i), 'B' || i // 1000, TRUE,
    '', '', $first + to_seconds(i), $names[1 + i // $pushes_a_segment], NULL, FALSE, TRUE, FALSE, 0
FROM range(len($names) * $pushes_a_segment) AS t (i)
"""
_FILES = "INSERT INTO core.files SELECT unnest($names), 'pushes', $pushes_a_segment, $pushes_a_segment, 0, 0"


def prepare(folder: Path, rows: int) -> None:
    for name, segments in (("year", rows), ("days", max(1, rows // 100))):
        _make(Place(folder / name), segments)


def _make(place: Place, segments: int) -> None:
    """Segments of quarters of an hour until the day before, loaded and packed."""
    last = AS_OF.replace(hour=0) - timedelta(days=1)
    for number in range(segments):
        _land(place, last - number * timedelta(minutes=15), range(number, number + PUSHES_A_SEGMENT))
    with place.warehouse.write() as connection:
        parameters = {"names": place.landing.pushes.names(), "pushes_a_segment": PUSHES_A_SEGMENT}
        connection.execute(_REPORTS, parameters | {"first": last - segments * timedelta(minutes=15)})
        connection.execute(_FILES, parameters)
    load(place.landing, place.warehouse)  # packs all but the last day


def _land(place: Place, at: datetime, numbers: range) -> None:
    head = {"received_at": at.isoformat(), "peer": "127.0.0.1"}
    place.landing.pushes.new_path(at).write_bytes(b"".join(frame_bytes(head, report(number)) for number in numbers))


def before_real(folder: Path, _: int) -> None:
    _land_day(Place(folder / "year"), folder)


def before_floor(folder: Path, _: int) -> None:
    _land_day(Place(folder / "days"), folder)


def _land_day(made: Place, folder: Path) -> None:
    """A copy with the new pushes. A load comes before them: copying changes each pack, which nothing does in use."""
    place = made.copied_to(folder / "day")
    time.sleep(SETTLING_SECONDS)
    load(place.landing, place.warehouse)
    for first in range(0, NEW, NEW // 10):
        _land(place, AS_OF + timedelta(seconds=first), range(10**9 + first, 10**9 + first + NEW // 10))


def real(folder: Path, _: int) -> float:
    place = Place(folder / "day")
    started = time.perf_counter()
    summary = load(place.landing, place.warehouse)
    seconds = time.perf_counter() - started
    if summary.new_report_count != NEW:
        raise SystemExit("the load lost reports")
    return seconds


floor = real

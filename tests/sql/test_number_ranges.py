"""The carriers and provinces of number ranges are those of phonenumbers, without a gap or a doubt."""

from bisect import bisect_right

import pytest

from tests.support.number_ranges import MOBILE_RANGES, NOWHERE, PATH, lines, place_of

EVERY = 20


@pytest.mark.deep
def test_the_file_says_what_phonenumbers_says_of_every_range() -> None:
    """If it fails: phonenumbers is another version; `python -m tests.support.number_ranges` writes the file."""
    assert PATH.read_text(encoding="utf-8").splitlines() == lines()


def test_the_file_says_what_phonenumbers_says_of_a_range_in_twenty() -> None:
    runs = [line.split(",") for line in PATH.read_text(encoding="utf-8").splitlines()[1:]]
    firsts = [int(first) for first, *_ in runs]

    for number_range in MOBILE_RANGES[::EVERY]:
        _, last, *place = runs[bisect_right(firsts, number_range) - 1]
        is_listed = firsts[0] <= number_range <= int(last)
        assert (tuple(place) if is_listed else NOWHERE) == place_of(number_range), number_range


def test_runs_of_ranges_come_in_order_and_keep_within_four_digits() -> None:
    runs = [tuple(map(int, line.split(",")[:2])) for line in PATH.read_text(encoding="utf-8").splitlines()[1:]]
    ends = [end for run in runs for end in run]

    assert ends == sorted(ends)
    assert len({first for first, _ in runs}) == len(runs)
    assert all(last // 1000 == first // 1000 for first, last in runs)


def test_a_city_goes_by_its_province() -> None:
    assert place_of(1300000) == ("China Unicom", "中国联通", "Shandong", "山东")
    assert place_of(1921234) == ("China Broadnet", "中国广电", "unknown", "未知")

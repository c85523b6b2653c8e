"""The carriers and provinces of number ranges are those of phonenumbers, without a gap or a doubt."""

from tests.support.number_ranges import PATH, lines, place_of


def test_the_file_says_what_phonenumbers_says_of_every_range() -> None:
    """Where it doesn't: phonenumbers is another version, and the file is written anew by number_ranges.py."""
    assert PATH.read_text(encoding="utf-8").splitlines() == lines()


def test_runs_of_ranges_come_in_order_and_keep_within_four_digits() -> None:
    runs = [tuple(map(int, line.split(",")[:2])) for line in PATH.read_text(encoding="utf-8").splitlines()[1:]]
    ends = [end for run in runs for end in run]

    assert ends == sorted(ends)
    assert len({first for first, _ in runs}) == len(runs)
    assert all(last // 1000 == first // 1000 for first, last in runs)


def test_a_city_goes_by_its_province() -> None:
    assert place_of(1300000) == ("China Unicom", "中国联通", "Shandong", "山东")
    assert place_of(1921234) == ("China Broadnet", "中国广电", "unknown", "未知")

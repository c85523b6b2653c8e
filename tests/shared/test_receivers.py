"""Pushes that come to several machines: none that was answered is lost, though a receiver is killed."""

from pathlib import Path

from pipelines.landing.landing import Landing
from tests.support.endpoint import receiving, report
from tests.support.s3 import S3


def test_no_answered_push_to_one_of_two_receivers_is_lost_though_one_is_killed(
    tmp_path: Path, bucket: str, database: str, s3: S3
) -> None:
    variables = s3.variables | {"SMSRECON_SHARED__BUCKET": bucket, "SMSRECON_SHARED__DATABASE": database}
    folders = (tmp_path / "a", tmp_path / "b")
    with receiving(folders[0], variables) as one, receiving(folders[1], variables) as other:
        answered = []
        for number in range(40):
            endpoint = one if number % 2 else other
            assert endpoint.push(report(number)) == 200
            answered.append(report(number))
        other.kill()
        one.stop()  # which puts its segment in the bucket

    third = Landing(tmp_path / "c", None, bucket)
    third.catch_up()
    assert len(bodies(third)) == 20
    first, second = (Landing(folder / "data/landing", None, bucket) for folder in folders)
    second.pushes.names()  # the killed one runs again: its segment is sealed, and goes too
    for landing in (second, first, third):
        landing.catch_up()

    for landing in (first, second, third):
        assert sorted(bodies(landing)) == sorted(answered)


def bodies(landing: Landing) -> list[bytes]:
    """The bodies of all pushes that a machine has."""
    return [frame.body for name in landing.pushes.names() for frame in landing.pushes.read(name)]

"""Answers whose records can't be read end a day with an exit code, whatever the cause; those that can be read don't."""

from datetime import UTC, datetime

import pytest

from pipelines.landing.calls import Call
from pipelines.landing.landing import Landing
from tests.support.places import Place

REPORT = (
    '{{"missionNum":"m{0}","destId":"1380000000{0}","receiveRealStatus":"DELIVRD","batchNum":"b","statTime":"{1}"}}'
)
CASES = {
    "slashes": ("2026/11/22 08:00:00", 0),
    "no time": ("yesterday", 14),
}


@pytest.mark.parametrize("name", CASES)
def test_a_day_whose_records_were_rejected_ends_with_14(name: str, sending: Place) -> None:
    time, code = CASES[name]
    now = datetime.now(UTC)
    records = ",".join(REPORT.format(number, time) for number in range(3))
    body = f'{{"errorCode":"000000","data":{{"total":3,"rows":[{records}]}}}}'.encode()
    call = Call("reports", now, 7, "json", day=now.date(), http_status=200, body=body)
    Landing(sending.folder / "data" / "landing").calls.land(call)

    bounds = {"SMSRECON_ALERTS__MAX_ORPHAN_SHARE": "1", "SMSRECON_ALERTS__MAX_REJECT_SHARE": "0"}  # others pull too
    day = sending.run("daily --json", **bounds)

    assert (day.code, day.object["rejected_record_count"]) == (code, 3 if code else 0), day.err
    assert ("of reports since yesterday were rejected" in day.err) is bool(code)

"""Prefect's database holds no personal data and no secret, whatever fails; secrets may come from Prefect blocks."""

from pathlib import Path

import polars as pl
from prefect.blocks.system import Secret

from pipelines.flows.books import daily
from pipelines.flows.campaign import submit_campaign
from pipelines.flows.collect import pull_replies, pull_reports, watch_balance
from pipelines.flows.deployments import deployments
from pipelines.settings import ScheduleSettings
from tests.flows.places import API, CONTENT, FlowPlace, flush_to_server
from tests.support.web import answer, serving

PHONE = "13912345678"
TEXT = "您的验证码是七七四九"
SECRET = "s3cr3t-0f-the-account"


def database(api: API) -> bytes:
    """The bytes of the server's database."""
    flush_to_server()
    return b"".join(path.read_bytes() for path in sorted(api.database.parent.glob("prefect.db*")))


def people(folder: Path, name: str, **columns: list[str]) -> str:
    path = folder / f"{name}.parquet"
    pl.DataFrame({"phone": [PHONE, "13800000001", PHONE, "19999990007"]} | columns).write_parquet(path)
    return str(path)


def test_the_database_of_prefect_holds_no_phone_no_text_and_no_secret(api: API, place: FlowPlace) -> None:
    lines = f'base_url = "{place.gateway.base_url}"\napp_key = "sandbox-key"\ntimeout_seconds = 1.0'
    texts = [f"【公司】{TEXT}{number}" for number in range(4)]
    of_each = people(place.folder, "each", content=texts)
    of_all = people(place.folder, "all")
    broken = place.folder / "broken.parquet"
    broken.write_bytes(PHONE.encode() * 100)

    place.configure(gateway=f'{lines}\napp_secret = "{SECRET}"')  # which the gateway refuses
    refused = submit_campaign("refused", of_each, return_state=True)
    place.configure()
    states = [
        submit_campaign("dry", of_each, dry_run=True, return_state=True),
        submit_campaign("each", of_each, return_state=True),
        submit_campaign("all", of_all, CONTENT, return_state=True),
        submit_campaign("all", of_each, return_state=True),  # another file
        submit_campaign("broken", str(broken), CONTENT, return_state=True),
    ]
    place.gateway.control(clock_shift_seconds=3600.0, faults=[{"kind": "garbage", "call": "query"}] * 3)
    states += [pull_reports(return_state=True), pull_replies(return_state=True), watch_balance(return_state=True)]
    (place.folder / "data" / "landing" / "reports" / "20261111").mkdir(parents=True)
    (place.folder / "data" / "landing" / "reports" / "20261111" / "x.call").write_bytes(PHONE.encode() + TEXT.encode())
    states += [daily(return_state=True)]

    assert refused.is_failed()
    assert {state.type.value for state in states} == {"COMPLETED", "FAILED"}
    assert place.accepted_phones().count(PHONE) == 2
    kept = database(api)
    for canary in (PHONE, TEXT, SECRET, "sandbox-secret"):
        assert canary.encode() not in kept, canary
        assert canary.encode("unicode_escape") not in kept, canary  # as JSON writes it
    assert b"campaign-each" in kept  # the artifacts are there


def test_an_address_with_a_secret_is_refused_before_it_is_stored(api: API, place: FlowPlace) -> None:
    for each in deployments(ScheduleSettings()):
        if each.flow_name == "submit-campaign":
            each.apply()
    canaries = ("a-query-canary", "a-password-canary")

    for path in (f"https://host/people.parquet?sign={canaries[0]}", f"https://me:{canaries[1]}@host/people.parquet"):
        assert api.start("submit-campaign", campaign_id="signed", path=path).status_code == 409
    given = submit_campaign("signed", "s3://bucket/people.parquet?sign=x", CONTENT, return_state=True)

    assert "s3://bucket/people.parquet: was given with a user, a password or a query" in str(given.message)
    kept = database(api)
    assert not [canary for canary in canaries if canary.encode() in kept]


def test_a_campaign_is_sent_from_an_address(place: FlowPlace) -> None:
    with serving({"/people": answer(Path(place.people(25)).read_bytes())}) as address:
        state = submit_campaign("spring", f"{address}/people", CONTENT, return_state=True)

    assert state.message == "25 accepted, 0 refused, 0 in doubt; 0 still to send"


def test_a_secret_without_a_setting_is_read_from_its_block_which_is_encrypted(api: API, place: FlowPlace) -> None:
    account = place.gateway.settings
    place.configure(gateway=f'base_url = "{place.gateway.base_url}"', schedule='secret_prefix = "ours"')
    without = submit_campaign("spring", place.people(5), CONTENT, return_state=True)
    Secret(value=account.app_key).save("ours-app-key")
    Secret(value=account.app_secret).save("ours-app-secret")

    state = submit_campaign("spring", place.people(5), CONTENT, return_state=True)

    assert "not set: gateway.app_key, gateway.app_secret" in str(without.message)
    assert state.message == "5 accepted, 0 refused, 0 in doubt; 0 still to send"
    assert account.app_secret.encode() not in database(api)


def test_a_setting_wins_over_its_block(place: FlowPlace) -> None:
    place.configure(schedule='secret_prefix = "theirs"')
    Secret(value="wrong").save("theirs-app-secret")

    assert watch_balance(return_state=True).is_completed()

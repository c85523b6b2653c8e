"""Flows send campaigns as the commands do: each message once, and the state of the run says how it ended."""

import pytest

from pipelines.flows.campaign import resume_campaign, submit_campaign
from tests.flows.places import API, CONTENT, FlowPlace
from tests.support.places import closed_window


def test_a_campaign_is_sent_once_and_the_run_says_so(api: API, place: FlowPlace) -> None:
    path = place.people(25)

    state = submit_campaign("spring", path, CONTENT, return_state=True)
    again = submit_campaign("spring", path, CONTENT, return_state=True)

    assert (state.name, state.message) == ("Completed", "25 accepted, 0 refused, 0 in doubt; 0 still to send")
    assert (again.name, again.message) == ("Completed", "0 accepted, 0 refused, 0 in doubt; 0 still to send")
    assert place.accepted_phones() == [str(13800000000 + number) for number in range(25)]
    run = api.run(state.state_details.flow_run_id)
    assert run["name"] == "submit spring"
    assert api.tasks(run["id"], 1) == {"send spring": "Completed"}
    assert api.artifacts(run["id"]) == {None: 100.0}


def test_a_dry_run_sends_nothing_and_leaves_a_page_without_texts(api: API, place: FlowPlace) -> None:
    path = place.people(25, content=[f"【公司】您的密码{number}" for number in range(25)])

    state = submit_campaign("spring", path, dry_run=True, return_state=True)

    assert (state.name, state.message) == ("Completed", "25 messages; nothing was sent")
    assert place.accepted_phones() == []
    run = api.run(state.state_details.flow_run_id)
    assert run["name"] == "dry run of spring"
    page = api.artifacts(run["id"])["plan-spring"]
    assert "| planned | 25 |" in page
    assert "密码" not in page


def test_a_second_run_of_a_campaign_that_is_being_sent_ends_at_once(api: API, place: FlowPlace) -> None:
    path = place.people(25)

    with place.landing.campaigns.lock("spring"):
        state = submit_campaign("spring", path, CONTENT, return_state=True)

    assert state.name == "Cancelled"
    assert str(state.message).startswith("busy: campaign spring is being sent by another process")
    assert place.accepted_phones() == []


def test_a_campaign_outside_its_send_window_is_paused_until_it_is_resumed(api: API, place: FlowPlace) -> None:
    path = place.people(25)
    place.configure(plan=f'batch_size = 10\nsend_window = "{closed_window()}"')

    state = submit_campaign("spring", path, CONTENT, return_state=True)
    place.configure()
    resumed = resume_campaign("spring", return_state=True)

    assert state.name == "Completed"
    assert str(state.message).startswith("paused: 0 accepted")
    assert "outside the send window" in str(state.message)
    assert resumed.message == "25 accepted, 0 refused, 0 in doubt; 0 still to send"
    assert api.run(resumed.state_details.flow_run_id)["name"] == "resume spring"


def test_a_batch_in_doubt_fails_the_run_and_names_the_next_step(place: FlowPlace) -> None:
    path = place.people(25)
    place.gateway.control(faults=[{"kind": "drop", "is_accepted": True}])

    state = submit_campaign("spring", path, CONTENT, return_state=True)

    assert state.name == "Failed"
    assert "10 in doubt" in str(state.message)
    assert "run 'smsrecon daily'" in str(state.message)
    assert len(place.accepted_phones()) == 25


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"path": "nowhere.parquet"}, "nowhere.parquet"),
        ({"content": "no signature"}, "signature"),
        ({"content": ""}, "content"),
    ],
)
def test_refused_input_fails_the_run_with_the_message_of_the_command(
    given: dict[str, str], words: str, place: FlowPlace
) -> None:
    parameters = {"campaign_id": "spring", "path": place.people(25), "content": CONTENT} | given

    state = submit_campaign(**parameters, return_state=True)

    assert state.type.value == "FAILED"
    assert words in str(state.message)
    assert place.accepted_phones() == []

"""The server of `serve --with-server` obeys the operator alone: no other user of the machine, no page of the web."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from pipelines.errors import UsageError
from pipelines.flows.deployments import deployments
from pipelines.flows.server import running_server
from pipelines.settings import ScheduleSettings
from tests.flows.places import API, all_arguments, flush_to_server
from tests.support.ports import free_port

NO_ONE = {"headers": {}}
ANOTHER = {"auth": ("smsrecon", "0" * 64)}
SHELL = {"prefect.deployments.steps.run_shell_script": {"script": "id"}}


@pytest.fixture
def deployment_id(api: API) -> str:
    (submit,) = [each for each in deployments(ScheduleSettings()) if each.flow_name == "submit-campaign"]
    return str(submit.apply())


@pytest.mark.parametrize("caller", [NO_ONE, ANOTHER], ids=["no_one", "another"])
def test_without_the_log_in_the_api_shows_and_changes_nothing(
    api: API, deployment_id: str, caller: dict[str, Any]
) -> None:
    before = api.get(f"/deployments/{deployment_id}")
    runs = started(api)
    with httpx.Client(trust_env=False, base_url=api.url, **caller) as client:
        attacks = [
            client.post("/block_documents/filter", json={"include_secrets": True}),
            client.get("/block_types/slug/secret/block_documents?include_secrets=true"),
            client.get("/admin/settings"),
            client.post("/deployments/filter", json={}),
            client.patch(f"/deployments/{deployment_id}", json={"pull_steps": [SHELL], "entrypoint": "evil.py:flow"}),
            client.post(f"/deployments/{deployment_id}/create_flow_run", json={}),
            client.post("/flow_runs/", json={"flow_id": before["flow_id"], "name": "evil"}),
            client.post("/variables/", json={"name": "evil", "value": "1"}),
            client.post("/logs/filter", json={}),
            client.request("POST", "//deployments/filter", json={}),
            client.get("/health/../admin/settings"),
            client.get("/docs"),
            client.get("/openapi.json"),
        ]

    assert {answer.status_code for answer in attacks} == {401}, [str(answer.url) for answer in attacks]
    assert api.get(f"/deployments/{deployment_id}") == before
    assert started(api) == runs


def started(api: API) -> set[str]:
    """The runs that somebody started; the server schedules others meanwhile."""
    found = api.ask("/flow_runs/filter", sort="EXPECTED_START_TIME_DESC")
    return {run["id"] for run in found if not run["auto_scheduled"]}


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1:{other}", "http://localhost.evil", "null"]
)
def test_a_page_of_another_origin_is_refused_even_with_the_log_in(api: API, origin: str) -> None:
    port = urlsplit(api.url).port or 0
    page = {"Origin": origin.format(other=port + 1)}
    asked = page | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    with httpx.Client(trust_env=False, base_url=api.url, auth=("smsrecon", api.secret)) as client:
        answers = [
            client.options("/flow_runs/count", headers=asked),
            client.post("/flow_runs/count", content="{}", headers=page | {"Content-Type": "text/plain"}),  # as a form
        ]
        own = client.post("/flow_runs/count", json={}, headers={"Origin": f"http://localhost:{port}"})

    assert [answer.status_code for answer in answers] == [403, 403]
    assert not any("access-control-allow-origin" in answer.headers for answer in answers)
    assert (own.status_code, own.headers["access-control-allow-origin"]) == (200, f"http://localhost:{port}")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "[::1]", ""])
def test_a_call_by_another_name_is_refused_even_with_the_log_in(api: API, host: str) -> None:
    name = host.format(port=urlsplit(api.url).port)
    with httpx.Client(trust_env=False, auth=("smsrecon", api.secret), headers={"Host": name}) as client:
        answers = [client.get(f"{api.url}/hello"), client.get(api.url.removesuffix("/api"))]

    assert [answer.status_code for answer in answers] == [400, 400]


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://evil.example"}], ids=["a_program", "a_page"])
def test_events_are_neither_read_nor_written_without_the_log_in(api: API, headers: dict[str, str]) -> None:
    url = api.url.replace("http:", "ws:")

    async def attack(path: str, *first: dict[str, str]) -> str:
        async with connect(url + path, subprotocols=["prefect"], additional_headers=headers, proxy=None) as socket:  # type: ignore[list-item]
            for message in first:
                await socket.send(json.dumps(message))
            return str(await socket.recv())

    for path in ("/events/in", "/events/out", "/logs/out"):
        with pytest.raises(WebSocketException):
            asyncio.run(attack(path, {"type": "auth", "token": "smsrecon:0"}))


def test_the_log_in_is_its_owners_alone_and_in_no_argument_log_or_database(api: API) -> None:
    file = api.database.with_name("login")
    flush_to_server()
    forms = [api.secret, base64.b64encode(api.login.encode())]
    kept = {path.name: path.read_bytes() for path in api.database.parent.glob("*") if path.is_file() and path != file}

    assert (file.stat().st_mode & 0o777, len(api.secret)) == (0o600, 64)
    assert {"server.log", "prefect.db"} <= kept.keys()
    assert [name for name, content in kept.items() if any(form in content for form in forms)] == []
    assert not any(form in all_arguments() for form in forms)


@pytest.mark.parametrize(("content", "mode"), [("", 0o600), ("smsrecon:known", 0o644), ("smsrecon:known", 0o620)])
def test_a_log_in_that_others_may_know_stops_the_start(content: str, mode: int, tmp_path: Path) -> None:
    file = tmp_path / "login"
    file.write_text(content)
    file.chmod(mode)

    with pytest.raises(UsageError, match="delete it"), running_server(tmp_path, free_port(), lambda _: None):
        pass

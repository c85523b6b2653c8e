"""Deployments and schedules are the same in serve and in prefect.yaml, and every parameter is described."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import UsageError
from pipelines.flows.deployments import deployments, schedules
from pipelines.settings import ScheduleSettings
from tests.flows.places import API

ROOT = Path(__file__).parents[2]
SAME = (
    "description",
    "entrypoint",
    "parameter_openapi_schema",
    "tags",
    "concurrency_options",
    "enforce_parameter_schema",
)


def described(api: API, name: str) -> dict[str, Any]:
    found = api.get(f"/deployments/name/{name}/{name}")
    limit = found["global_concurrency_limit"]
    crons = [(each["schedule"]["cron"], each["schedule"]["timezone"], each["active"]) for each in found["schedules"]]
    return {name: found[name] for name in SAME} | {"crons": crons, "limit": limit and limit["limit"]}


def deploy_all() -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_prefect_yaml_deploys_what_serve_registers(api: API) -> None:
    made = deployments(ScheduleSettings())
    for each in made:
        each.apply()
    served = {each.flow_name: described(api, str(each.flow_name)) for each in made}

    api.ask("/work_pools/", name="smsrecon", type="process")
    deploy_all()

    deployed = {each.flow_name: described(api, str(each.flow_name)) for each in made}
    assert deployed == served
    assert served["daily"]["crons"] == [("30 2 * * *", "Asia/Shanghai", True)]
    assert served["audit"]["crons"] == [("30 4 * * 0", "Asia/Shanghai", True)]
    assert served["daily"]["limit"] == 1
    assert served["daily"]["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    assert served["submit-campaign"]["limit"] is None


@pytest.mark.deep
@pytest.mark.parametrize("kind", ["docker", "kubernetes"])
def test_prefect_yaml_deploys_to_a_pool_whose_workers_run_an_image(api: API, kind: str) -> None:
    known = api.get("/collections/views/aggregate-worker-metadata")
    template = known[f"prefect-{kind}"][kind]["default_base_job_configuration"]
    template["variables"]["properties"]["image"]["default"] = "smsrecon"
    api.delete("/work_pools/smsrecon")
    api.ask("/work_pools/", name="smsrecon", type=kind, base_job_template=template)

    deploy_all()

    for each in deployments(ScheduleSettings()):
        found = api.get(f"/deployments/name/{each.flow_name}/{each.flow_name}")
        assert (found["work_pool_name"], found["pull_steps"] or []) == ("smsrecon", [])
        assert str(ROOT) not in str({name: found[name] for name in ("path", "pull_steps", "job_variables")})


def test_schedules_are_those_of_the_settings_and_an_empty_one_means_on_demand() -> None:
    settings = ScheduleSettings(daily="15 4 * * 1-5", reconcile="", balance="0 9-21 * * *")

    made = {each.flow_name: each for each in deployments(settings)}

    assert schedules(settings)["daily/daily"] == "15 4 * * 1-5"
    assert not made["reconcile"].schedules
    assert [str(one.schedule.timezone) for one in made["watch-balance"].schedules or ()] == ["Asia/Shanghai"]


def test_a_schedule_that_is_not_a_cron_expression_is_refused_by_its_name() -> None:
    with pytest.raises(UsageError, match=r"schedule\.reconcile is not a cron expression"):
        deployments(ScheduleSettings(reconcile="61 * * * *"))


def test_every_parameter_of_a_flow_is_described_and_none_is_a_secret() -> None:
    for each in deployments(ScheduleSettings()):
        assert each.description
        for name, field in each._parameter_openapi_schema.properties.items():
            assert field.get("description", "").endswith("."), name
            assert "secret" not in name
            assert "key" not in name

"""Settings are read from the file and from variables, problems are reported together, and no secret is shown."""

import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import Field

from pipelines.errors import UsageError
from pipelines.operations.config_template import template, write_template
from pipelines.settings import (
    GatewaySettings,
    Settings,
    Table,
    described_settings,
    export_config_path,
    load_settings,
    require_credentials,
    unknown_variables,
)

CANARY = "canary-5f0c"

Configure = Callable[..., Path]


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Remove SMSRECON_ variables, and work in an empty folder."""
    for name in os.environ:
        if name.upper().startswith("SMSRECON_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """A function that writes a configuration file and sets variables."""

    def write(toml: str = "", **variables: str) -> Path:
        path = tmp_path / "smsrecon.toml"
        path.write_text(toml, encoding="utf-8")
        for name, value in variables.items():
            monkeypatch.setenv(f"SMSRECON_{name}", value)
        return path

    return write


def refusal(path: Path | None = None) -> str:
    with pytest.raises(UsageError) as refused:
        load_settings(path)
    assert refused.value.exit_code == 2
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_without_a_file_and_variables_all_settings_have_their_defaults() -> None:
    settings = load_settings()

    assert settings.data_dir == Path("data")
    assert (settings.gateway.concurrency, settings.plan.batch_size, settings.pull.days) == (4, 1000, 5)


def test_the_file_in_the_working_directory_is_read(configure: Configure) -> None:
    configure('installation = "north"\n[plan]\nbatch_size = 7\nsend_window = "08:00-21:00"')

    settings = load_settings()

    assert (settings.installation, settings.plan.batch_size) == ("north", 7)


def test_variables_win_over_the_file_one_by_one(configure: Configure) -> None:
    path = configure(
        '[gateway]\napp_key = "file"\nformat = "xml"\n[plan]\nbatch_size = 7',
        GATEWAY__APP_KEY="variable",
        GATEWAY__APP_SECRET=CANARY,
        DATA_DIR="/srv/sms",
    )

    settings = load_settings(path)

    assert (settings.gateway.app_key, settings.gateway.format) == ("variable", "xml")
    assert settings.gateway.app_secret.get_secret_value() == CANARY
    assert (settings.plan.batch_size, settings.data_dir) == (7, Path("/srv/sms"))


def test_all_wrong_settings_are_reported_together_without_their_values(configure: Configure) -> None:
    path = configure(
        f"""
        surprise = "{CANARY}"
        [gateway]
        app_secret = ["{CANARY}"]
        base_url = "{CANARY}"
        format = "{CANARY}"
        timeout_seconds = -1
        app_kye = "{CANARY}"
        [plan]
        batch_size = 1001
        send_window = "{CANARY}"
        """,
        PULL__DAYS=CANARY,
        BILLING__PRICE_PER_SEGMENT=CANARY,
    )

    message = refusal(path)

    wrong = "surprise gateway.app_secret gateway.base_url gateway.format gateway.timeout_seconds gateway.app_kye"
    for name in [*wrong.split(), "plan.batch_size", "plan.send_window", "pull.days", "billing.price_per_segment"]:
        assert f"{name}: " in message
    assert CANARY not in message
    assert str(path) in message


@pytest.mark.parametrize(
    "content",
    [
        f'[gateway]\napp_secret = "{CANARY}'.encode(),
        f"[gateway]\napp_secret = {CANARY}".encode(),
        f'[gateway]\napp_secret = "{CANARY}"\napp_secret = "{CANARY}"'.encode(),
        f'# 密钥\n[gateway]\napp_secret = "{CANARY}"'.encode("gbk"),
    ],
    ids=["not closed", "not quoted", "twice", "GBK"],
)
def test_a_file_that_is_not_toml_is_refused_without_showing_its_content(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)

    message = refusal(path)

    assert str(path) in message
    assert CANARY not in message


@pytest.mark.parametrize("value", [CANARY, "[1]", "3"])
def test_a_variable_named_like_a_table_is_refused_without_its_value(configure: Configure, value: str) -> None:
    configure(GATEWAY=value)

    message = refusal()

    assert "SMSRECON_" in message
    assert CANARY not in message


def test_a_missing_configuration_file_is_refused_with_the_next_step(tmp_path: Path) -> None:
    assert "smsrecon init" in refusal(tmp_path / "none.toml")


@pytest.mark.parametrize("window", ["08:00-21:00", "22:00-06:00", "00:00-23:59"])
def test_a_send_window_is_two_times_of_the_day(configure: Configure, window: str) -> None:
    assert load_settings(configure(PLAN__SEND_WINDOW=window)).plan.send_window == window


@pytest.mark.parametrize("window", ["8:00-21:00", "08:00–21:00", "08:00-24:00", "08:60-21:00", "08:00", ""])
def test_a_malformed_send_window_is_refused(configure: Configure, window: str) -> None:
    assert "plan.send_window" in refusal(configure(PLAN__SEND_WINDOW=window))


def test_no_repr_shows_a_secret(configure: Configure) -> None:
    settings = load_settings(configure(f'[gateway]\napp_secret = "{CANARY}"'))

    for shown in (repr(settings), str(settings), settings.model_dump_json(), repr(settings.gateway)):
        assert CANARY not in shown


def test_settings_are_immutable() -> None:
    settings = Settings()

    with pytest.raises(ValueError, match="frozen"):
        settings.installation = "other"
    with pytest.raises(ValueError, match="frozen"):
        settings.plan.batch_size = 5


def test_all_missing_credentials_are_reported_together() -> None:
    with pytest.raises(UsageError) as refused:
        require_credentials(GatewaySettings())
    assert "SMSRECON_GATEWAY__APP_KEY and SMSRECON_GATEWAY__APP_SECRET" in str(refused.value)

    with pytest.raises(UsageError) as refused:
        require_credentials(GatewaySettings(app_key="k"))
    assert "APP_KEY" not in str(refused.value)

    require_credentials(GatewaySettings(app_key="k", app_secret=CANARY))


def test_variables_of_no_setting_are_named(configure: Configure) -> None:
    configure(DATADIR="x", GATEWY__APP_KEY="x", DATA_DIR="x", GATEWAY__APP_KEY="x")

    assert unknown_variables() == ["SMSRECON_DATADIR", "SMSRECON_GATEWY__APP_KEY"]


def test_the_template_loads_to_the_defaults_is_its_owners_only_and_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "smsrecon.toml"
    write_template(path)

    assert path.stat().st_mode & 0o777 == 0o600
    installation = load_settings(path).installation
    defaults = Settings(data_dir=tmp_path / "data", installation=installation)
    assert load_settings(path).model_dump() == defaults.model_dump()
    write_template(tmp_path / "another.toml")
    names = {installation, load_settings(tmp_path / "another.toml").installation}
    assert len(names - {"main"}) == 2  # random
    with pytest.raises(UsageError, match="exists already"):
        write_template(path)


def test_a_relative_data_dir_counts_from_the_folder_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "smsrecon.toml"

    path.write_text('data_dir = "kept/here"', encoding="utf-8")
    assert load_settings(path).data_dir == tmp_path / "kept/here"

    path.write_text('data_dir = "/srv/sms"', encoding="utf-8")
    assert load_settings(path).data_dir == Path("/srv/sms")


def test_an_exported_configuration_is_read_unless_another_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, other = tmp_path / "ours.toml", tmp_path / "other.toml"
    ours.write_text('installation = "ours"', encoding="utf-8")
    other.write_text('installation = "other"', encoding="utf-8")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv("SMSRECON_CONFIG", "")  # so that it is restored at the end

    export_config_path(Path("ours.toml"))
    monkeypatch.chdir(elsewhere)

    assert os.environ["SMSRECON_CONFIG"] == str(ours)
    assert load_settings().installation == "ours"
    assert load_settings().data_dir == tmp_path / "data"
    assert load_settings(other).installation == "other"
    assert unknown_variables() == []
    monkeypatch.setenv("SMSRECON_CONFIG", "gone.toml")
    assert "there is no configuration file gone.toml" in refusal()


def test_every_setting_is_in_the_template_under_its_name(tmp_path: Path) -> None:
    path = tmp_path / "smsrecon.toml"
    path.write_text("\n".join(line.removeprefix("# ") for line in template().splitlines()[2:]), encoding="utf-8")

    written = tomllib.loads(path.read_text(encoding="utf-8"))

    assert set(written) == set(Settings.model_fields)
    for name, value in written.items():
        if isinstance(value, dict):
            assert set(value) == set(type(getattr(Settings(), name)).model_fields)
    assert load_settings(path).plan.batch_size == Settings().plan.batch_size


def test_the_credentials_are_left_to_be_filled_in() -> None:
    uncommented = [line for line in template().splitlines() if re.match("[a-z]", line)]

    assert [re.split(" {2,}", line)[0] for line in uncommented] == [
        'app_key = ""',
        'app_secret = ""',
        'path_secret = ""',
    ]


def test_another_default_or_description_makes_another_template() -> None:
    class OtherPlan(Table):
        """Plans of this test."""

        batch_size: int = Field(default=7, description="Messages in a `request`.")

    class OtherSettings(Settings):
        plan: OtherPlan = OtherPlan()  # type: ignore[assignment]

    assert "# batch_size = 1000 " in template()
    assert (
        "[plan]                         # Plans of this test.\n"
        "# batch_size = 7               # Messages in a request.\n"
    ) in template(OtherSettings)


def test_every_setting_is_described_in_a_sentence_and_has_a_default_or_an_example() -> None:
    for setting in described_settings():
        assert re.fullmatch(r"[A-Z].*\.", setting.description), setting.full_name
        assert (setting.default is None) == (setting.example is not None), setting.full_name


def test_no_line_of_the_template_is_too_wide_to_be_read() -> None:
    assert [line for line in template().splitlines() if len(line) > 120] == []

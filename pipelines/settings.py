"""All configuration, read once at the edge: smsrecon.toml first, then SMSRECON_… variables, which win.

Two underscores stand for a table: SMSRECON_GATEWAY__APP_KEY is `app_key` of `[gateway]`. Nothing else in the package
reads the environment, but for failpoints.py, which says why. Every problem is reported in one error; secrets have no
repr.
"""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from pipelines.errors import UsageError

CONFIG_FILE = Path("smsrecon.toml")
CONFIG_VARIABLE = "SMSRECON_CONFIG"  # names the file where no option does: to the runs of flows

HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]
Cron = Annotated[str, StringConstraints(pattern=r"^(\S+( \S+){4})?$")]
Share = Annotated[float, Field(ge=0, le=1)]
ErrorCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
SendWindow = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$")]


def _of_the_head(text: str) -> str:
    """Only what there is to be signed stands in braces."""
    try:
        text.format(app_key="", time_stamp="", nonce_str="", app_secret="")
    except (LookupError, ValueError, AttributeError):
        raise ValueError(
            "may hold {app_key}, {time_stamp}, {nonce_str} and {app_secret}, and no other braces"
        ) from None
    return text


SignText = Annotated[str, AfterValidator(_of_the_head)]


class Table(BaseModel):
    """One table of smsrecon.toml; an unknown name in it is an error, so that a typing mistake is found."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class GatewaySettings(Table):
    """How to reach the gateway, and how fast."""

    base_url: HttpUrl = "https://api.zhuanxinyun.com/api/v2/"
    app_key: str = ""
    app_secret: SecretStr = SecretStr("")
    format: Literal["json", "xml"] = "json"
    timeout_seconds: float = Field(default=30.0, gt=0)
    max_answer_mb: int = Field(default=512, ge=1)
    max_answer_seconds: float = Field(default=900.0, gt=0)
    concurrency: int = Field(default=4, ge=1, le=64)
    requests_per_second: float | None = Field(default=None, gt=0)


class PlanSettings(Table):
    """How a file becomes batches."""

    batch_size: int = Field(default=1000, ge=1, le=1000)
    max_content_length: int = Field(default=500, ge=1)
    send_window: SendWindow | None = None


class PolicySettings(Table):
    """What is decided once for all campaigns."""

    report_window_hours: int = Field(default=72, ge=1)
    pause_after_in_doubt: int = Field(default=5, ge=1)
    in_doubt: Literal["hold", "same_batch_num"] = "hold"
    repeated_code: ErrorCode | None = None
    hard_failures: int = Field(default=2, ge=1)
    opt_out_words: tuple[str, ...] = (
        "TD", "T", "R", "N", "QX", "STOP", "UNSUBSCRIBE", "退订", "退訂", "拒收", "取消",
    )  # fmt: skip
    suppress: tuple[Literal["opted_out", "hard_code"], ...] = ("opted_out",)

    @model_validator(mode="after")
    def _knows_what_proves(self) -> Self:
        if self.in_doubt == "same_batch_num" and self.repeated_code is None:
            raise ValueError("same_batch_num needs policy.repeated_code, the vendor's answer to a repeated batch_num")
        return self


class PullSettings(Table):
    """How far back a pull looks, and how often it asks."""

    days: int = Field(default=5, ge=1)
    max_calls_per_day: int = Field(default=100, ge=1)


class BillingSettings(Table):
    """Money, in the currency of the account; unset: no money is shown."""

    price_per_segment: float | None = Field(default=None, ge=0)


class ScheduleSettings(Table):
    """When the deployments run, as cron in Asia/Shanghai (empty: only on demand), and how many runs at once."""

    daily: Cron = "30 2 * * *"
    reconcile: Cron = "0 * * * *"
    balance: Cron = "*/10 * * * *"
    concurrent_runs: int = Field(default=8, ge=1)
    retry_delays_seconds: tuple[float, ...] = (60.0, 300.0)
    secret_prefix: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")] = "smsrecon"  # noqa: S105  a name


class AlertSettings(Table):
    """From where on a figure is worth an alert, and who is told. A `min_` of 0 and a share of 1 are never crossed."""

    min_delivery_rate: Share = 0.8
    max_drop_below_median: Share = 0.1
    max_unknown_code_share: Share = 0.02
    max_code_share_jump: Share = 0.05
    max_orphan_share: Share = 0.01
    max_in_doubt_batches: int = Field(default=0, ge=0)
    min_balance: int = Field(default=0, ge=0)
    min_message_count: int = Field(default=100, ge=1)
    webhook_url: SecretStr = SecretStr("")
    webhook_format: Literal["json", "dingtalk", "wecom", "feishu"] = "json"
    webhook_secret: SecretStr = SecretStr("")
    repeat_hours: float = Field(default=24.0, ge=0)


class ReviewSettings(Table):
    """How charts, notebooks and the HTML report are written."""

    language: Literal["en", "zh"] = "en"


class ReceiveSettings(Table):
    """The endpoint for pushes: who may call it, and how what they bring is kept."""

    host: str = "127.0.0.1"
    port: int = Field(default=8480, ge=0, le=65535)
    public_url: HttpUrl | None = None
    path_secret: SecretStr = SecretStr("")
    allow: tuple[IPvAnyNetwork, ...] = ()
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()
    sign: Annotated[str, StringConstraints(pattern=r"^(none|md5|[\w.]+:\w+)$")] = "none"
    sign_text: SignText = "{app_key}{time_stamp}{nonce_str}{app_secret}"
    max_age_minutes: int | None = Field(default=None, ge=1)
    nonce_memory: int = Field(default=200_000, ge=0)
    max_body_kb: int = Field(default=1024, ge=1)
    max_waiting_mb: int = Field(default=64, ge=1)
    max_refused_mb: int = Field(default=64, ge=0)
    segment_mb: int = Field(default=64, ge=1)
    segment_seconds: float = Field(default=900.0, gt=0)
    answer: str = "success"


class WarehouseSettings(Table):
    """How DuckDB is run."""

    busy_timeout_seconds: float = Field(default=60.0, ge=0)
    memory_limit: str | None = None
    threads: int | None = Field(default=None, ge=1)


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix="SMSRECON_", env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    data_dir: Path = Path("data")
    installation: str = Field(default="main", min_length=1)
    gateway: GatewaySettings = GatewaySettings()
    plan: PlanSettings = PlanSettings()
    policy: PolicySettings = PolicySettings()
    pull: PullSettings = PullSettings()
    billing: BillingSettings = BillingSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    alerts: AlertSettings = AlertSettings()
    review: ReviewSettings = ReviewSettings()
    receive: ReceiveSettings = ReceiveSettings()
    warehouse: WarehouseSettings = WarehouseSettings()

    @property
    def landing_folder(self) -> Path:
        """Raw bytes as received, plans and the journal."""
        return self.data_dir / "landing"

    @property
    def warehouse_path(self) -> Path:
        """The DuckDB file that only smsrecon opens."""
        return self.data_dir / "warehouse.duckdb"

    @property
    def published_folder(self) -> Path:
        """The copy for analysts."""
        return self.data_dir / "published"

    @property
    def sent_alerts_path(self) -> Path:
        """When each alert that still stands was sent last."""
        return self.data_dir / "sent_alerts.json"

    @property
    def prefect_folder(self) -> Path:
        """The database and the log of the Prefect server that `serve --with-server` starts."""
        return self.data_dir / "prefect"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Variables win over the file; nothing else is read."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


_LEAST_SECRET = 16
_WORDS = {  # in place of pydantic's own
    "extra_forbidden": "there is no such setting",
    "model_type": "is a table; name its settings, as in SMSRECON_GATEWAY__FORMAT",
    "path_type": "is no path",
}


def load_settings(config: Path | None = None) -> Settings:
    """Read the settings from `config` (default: SMSRECON_CONFIG, or smsrecon.toml here if there is one) and variables.

    A relative data_dir is relative to the file's folder, so that --config means the same wherever it is called from.
    Raises UsageError naming every setting that is wrong, together, never its value.
    """
    named = os.environ.get(CONFIG_VARIABLE)
    config = config or (Path(named) if named else None)
    if config is not None and not config.is_file():
        raise UsageError(f"there is no configuration file {config}; write one with 'smsrecon init'")
    file = config or CONFIG_FILE

    class _FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=file if file.is_file() else None)

    try:
        settings = _FromFile()
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc'])}: {_WORDS.get(problem['type'], problem['msg'])}"
            for problem in error.errors(include_url=False, include_input=False, include_context=False)
        )
        raise UsageError(f"wrong settings in {file} or SMSRECON_… variables: {problems}; correct them") from None
    except SettingsError:
        raise UsageError(
            "an SMSRECON_… variable is named like a table; name its settings, as in SMSRECON_GATEWAY__FORMAT"
        ) from None
    except (ValueError, OSError) as error:  # what tomllib raises, and what opening raises
        raise UsageError(f"{file} can't be read as TOML in UTF-8: {error}; correct it") from None
    return settings.model_copy(update={"data_dir": file.parent / settings.data_dir})


def export_config_path(config: Path | None) -> None:
    """Have the processes that this one starts read the same configuration, wherever they run."""
    file = config or CONFIG_FILE
    if config or (CONFIG_VARIABLE not in os.environ and file.is_file()):
        os.environ[CONFIG_VARIABLE] = str(file.absolute())


def require_credentials(gateway: GatewaySettings) -> None:
    """Raise UsageError unless both credentials are set, naming all that are missing."""
    missing = [
        f"gateway.{name}"
        for name, value in (("app_key", gateway.app_key), ("app_secret", gateway.app_secret.get_secret_value()))
        if not value
    ]
    if missing:
        variables = " and ".join("SMSRECON_" + name.upper().replace(".", "__") for name in missing)
        raise UsageError(f"not set: {', '.join(missing)}; set {variables}, or write it into {CONFIG_FILE}")


def require_receive(settings: Settings) -> None:
    """Raise UsageError unless the endpoint has a path that can't be guessed, and knows its app_key."""
    if len(settings.receive.path_secret.get_secret_value()) < _LEAST_SECRET:
        raise UsageError(
            f"not set: receive.path_secret, {_LEAST_SECRET} characters or more; take 'openssl rand -hex 16', and set"
            " SMSRECON_RECEIVE__PATH_SECRET"
        )
    if not settings.gateway.app_key:
        raise UsageError("not set: gateway.app_key, which every push names; set SMSRECON_GATEWAY__APP_KEY")


def unknown_variables() -> list[str]:
    """Names of SMSRECON_… variables that no setting answers to, so that `doctor` can point at typing mistakes."""
    known = {CONFIG_VARIABLE} | {"SMSRECON_" + name.upper() for name in Settings.model_fields}
    return sorted(
        name for name in os.environ if name.startswith("SMSRECON_") and name.split("__")[0].upper() not in known
    )


def write_template(path: Path) -> None:
    """Write a configuration to fill in, readable by its owner only. Raises UsageError if there is one already."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(_TEMPLATE)
    except FileExistsError:
        raise UsageError(f"{path} is there already; edit it, or remove it first") from None
    except OSError as error:
        raise UsageError(f"{path} can't be written ({error.strerror}); choose another folder") from None


_TEMPLATE = """\
# The settings of smsrecon. Every line that is commented out shows the default.
# A variable wins over this file: SMSRECON_GATEWAY__APP_SECRET is app_secret of [gateway].

# data_dir = "data"            # beside this file; landing/, warehouse.duckdb and published/ lie beneath it
# installation = "main"        # part of every id sent out: two installations on one account never clash

[gateway]
# base_url = "https://api.zhuanxinyun.com/api/v2/"
app_key = ""
app_secret = ""                # better kept in the variable
# format = "json"              # or "xml"
# timeout_seconds = 30.0       # without a byte
# max_answer_mb = 512          # of reports or replies; what is larger, or takes longer, is given up
# max_answer_seconds = 900.0
# concurrency = 4              # requests in flight
# requests_per_second = 10.0   # no limit by default

[plan]
# batch_size = 1000            # messages in one request
# max_content_length = 500     # characters
# send_window = "08:00-21:00"  # Asia/Shanghai; a campaign rests outside of it

[policy]
# report_window_hours = 72     # after it a message without a report is unreported
# pause_after_in_doubt = 5     # batches in a row without an answer that can be trusted
# in_doubt = "hold"            # or "same_batch_num": send once more, where the vendor refuses a repeated batchNum
# repeated_code = "100001"     # with this error code; none by default
# hard_failures = 2            # campaigns that must fail with a hard code to make a phone a candidate for suppression
# opt_out_words = ["TD", "T", "R", "N", "QX", "STOP", "UNSUBSCRIBE", "退订", "退訂", "拒收", "取消"]
# suppress = ["opted_out"]     # candidates that 'smsrecon daily' puts on a list; also "hard_code"

[pull]
# days = 5                     # today and the four days before
# max_calls_per_day = 100

[billing]
# price_per_segment = 0.05     # in the currency of the account; unset: no money is shown

[schedule]                     # of 'smsrecon serve'; cron in Asia/Shanghai, "" for only on demand
# daily = "30 2 * * *"
# reconcile = "0 * * * *"
# balance = "*/10 * * * *"
# concurrent_runs = 8          # at the same time, campaigns and all else
# retry_delays_seconds = [60.0, 300.0]  # before a pull or the books are tried again
# secret_prefix = "smsrecon"   # of the names of Prefect Secret blocks

[alerts]                       # a min_ of 0 and a share of 1 are never crossed
# min_delivery_rate = 0.8      # delivered / reported; once mature, delivered / accepted
# max_drop_below_median = 0.1  # of that rate, below the median of comparable campaigns
# max_unknown_code_share = 0.02
# max_code_share_jump = 0.05   # of one code, above its median
# max_orphan_share = 0.01
# max_in_doubt_batches = 0
# min_balance = 0              # segments
# min_message_count = 100      # campaigns with fewer reports say nothing
# webhook_url = ""             # better kept in the variable
# webhook_format = "json"      # or "dingtalk", "wecom", "feishu"
# webhook_secret = ""          # with which DingTalk and Feishu have calls signed
# repeat_hours = 24.0          # a low balance is told again after so long

[review]
# language = "en"              # of charts, notebooks and the HTML report; or "zh"

[receive]                      # of 'smsrecon receive', which takes pushes
# host = "127.0.0.1"
# port = 8480
# public_url = "https://your.host"  # where the vendor reaches it; 'smsrecon doctor' looks there
path_secret = ""               # 16 characters or more; better kept in the variable
# allow = []                   # addresses and networks that may push; all by default
# trusted_proxies = []         # whose X-Forwarded-For is believed
# sign = "none"                # or "md5", or "module:function" of your own
# sign_text = "{app_key}{time_stamp}{nonce_str}{app_secret}"
# max_age_minutes = 60         # of time_stamp; any by default
# nonce_memory = 200000        # pushes
# max_body_kb = 1024
# max_waiting_mb = 64          # for the disk; more is answered 503
# max_refused_mb = 64          # kept apart, to be looked at
# segment_mb = 64              # a segment so large, or so old, is sealed
# segment_seconds = 900.0
# answer = "success"

[warehouse]
# busy_timeout_seconds = 60.0
# memory_limit = "4GB"
# threads = 2
"""

"""All settings, read once at the start of a command or flow run: smsrecon.toml, then SMSRECON_… variables, which win.

Two underscores stand for a table: SMSRECON_GATEWAY__APP_KEY is `app_key` of `[gateway]`. Each setting is described
here and nowhere else: the template that `smsrecon init` writes and the table of settings in the pages are generated
from `described_settings`. Nothing else in the package reads the environment, but for failpoints.py, which says why. All
problems are reported in one error; the repr of a secret does not show it.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from pipelines.addresses import http_url, is_loopback
from pipelines.errors import UsageError
from pipelines.ownership import check_owner

CONFIG_FILE = Path("smsrecon.toml")
CONFIG_VARIABLE = "SMSRECON_CONFIG"  # names the file where no option does: to the runs of flows
PUBLISHED_DATABASE: Final = "analytics.duckdb"  # the file of the published folder that analysts open

HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]
Cron = Annotated[str, StringConstraints(pattern=r"^(\S+( \S+){4})?$")]
Share = Annotated[float, Field(ge=0, le=1)]
ErrorCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]
SendWindow = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$")]


def _known_placeholders(text: str) -> str:
    """Refuse a text with placeholders other than those of a push that can be signed."""
    try:
        text.format(app_key="", time_stamp="", nonce_str="", app_secret="")
    except (LookupError, ValueError, AttributeError):
        raise ValueError(
            "may hold {app_key}, {time_stamp}, {nonce_str} and {app_secret}, and no other braces"
        ) from None
    return text


SignText = Annotated[str, AfterValidator(_known_placeholders)]

FILL_IN: Final[JsonDict] = {"fill_in": True}  # of a setting that `smsrecon init` leaves to be filled in


class Table(BaseModel):
    """A table of smsrecon.toml. An unknown name in it is an error, so that typing mistakes are found."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class GatewaySettings(Table):
    """Connection to the gateway, and limits of its use."""

    base_url: HttpUrl = Field(
        default="https://api.zhuanxinyun.com/api/v2/",
        description="Address of the gateway's API.",
    )
    allow_clear_text: bool = Field(
        default=False,
        description="Take an `http://` address beyond this machine, which others can read and change.",
    )
    app_key: str = Field(
        default="",
        description="Key of the account, `appKey`.",
        json_schema_extra=FILL_IN,
    )
    app_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Secret of the account, `appSecret`; never shown. Better kept in the variable.",
        json_schema_extra=FILL_IN,
    )
    format: Literal["json", "xml"] = Field(
        default="json",
        description='Format of the answers: `"json"` or `"xml"`.',
    )
    timeout_seconds: float = Field(
        default=30.0,
        gt=0,
        description="Seconds to wait for an answer, and for its next bytes; a send may take four times that.",
    )
    max_answer_mb: int = Field(
        default=512,
        ge=1,
        description="Largest answer to a query, in MB; of a larger one the first MB is kept.",
    )
    max_answer_seconds: float = Field(
        default=900.0,
        gt=0,
        description="Longest time that a query for reports or replies may take in all, in seconds.",
    )
    concurrency: int = Field(
        default=4,
        ge=1,
        le=64,
        description="Requests in flight, 1 to 64.",
    )
    requests_per_second: float | None = Field(
        default=None,
        gt=0,
        description="Most requests per second; unset: no limit.",
        examples=[10.0],
    )


class PlanSettings(Table):
    """How a file becomes batches, and when they are sent."""

    batch_size: int = Field(
        default=1000,
        ge=1,
        le=1000,
        description="Messages in one request, at most 1000.",
    )
    max_content_length: int = Field(
        default=500,
        ge=1,
        description="Longest text, in characters.",
    )
    send_window: SendWindow | None = Field(
        default=None,
        description="Time of day, in Asia/Shanghai, outside of which campaigns pause; unset: they never do.",
        examples=["08:00-21:00"],
    )


class PolicySettings(Table):
    """Decisions that hold for all campaigns."""

    report_window_hours: int = Field(
        default=72,
        ge=1,
        description="Hours after which a message without a report is unreported.",
    )
    pause_after_in_doubt: int = Field(
        default=5,
        ge=1,
        description="Batches in doubt, in a row, that pause a campaign.",
    )
    in_doubt: Literal["hold", "same_batch_num"] = Field(
        default="hold",
        description='A batch in doubt: `"hold"` keeps it; `"same_batch_num"` sends it once more under its number, where'
        " the vendor refuses a repeated `batchNum`.",
    )
    repeated_code: ErrorCode | None = Field(
        default=None,
        description='Error code by which the vendor refuses a repeated `batchNum`; required by `"same_batch_num"`.',
        examples=["100001"],
    )
    hard_failures: int = Field(
        default=2,
        ge=1,
        description="Campaigns in which a phone must fail with a hard code, such as a dead number, to become a"
        " candidate for suppression.",
    )
    opt_out_words: tuple[str, ...] = Field(
        default=(
            "TD",
            "T",
            "R",
            "N",
            "QX",
            "STOP",
            "UNSUBSCRIBE",
            "退订",
            "退訂",
            "拒收",
            "取消",
            "取消订阅",
            "取消訂閱",
        ),
        description="Words that opt out at the beginning of a reply. Case, width, blanks, punctuation, a signature and"
        " polite words (请, 回复, 谢谢, please) make no difference.",
    )
    ambiguous_opt_out_words: tuple[str, ...] = Field(
        default=("取消", "QX"),
        description="Those of `opt_out_words` that opt out only as the whole text, as single letters do.",
    )
    suppress: tuple[Literal["opted_out", "hard_code"], ...] = Field(
        default=("opted_out",),
        description='Candidates that `smsrecon daily` puts on a suppression list: `"opted_out"`, `"hard_code"`.',
    )
    phone_hash: Literal["installation", "campaign", "none"] = Field(
        default="installation",
        description='Reach of the published phone hash. `"installation"` follows a person through all campaigns, even'
        ' for whoever sends one message to a known phone; `"campaign"` through one and its replies; `"none"`: no hash.',
    )

    @model_validator(mode="after")
    def _require_repeated_code(self) -> Self:
        if self.in_doubt == "same_batch_num" and self.repeated_code is None:
            raise ValueError("same_batch_num needs policy.repeated_code, the vendor's answer to a repeated batch_num")
        return self


class PullSettings(Table):
    """How far back a pull looks, and how often it asks."""

    days: int = Field(
        default=5,
        ge=1,
        description="Days whose reports every pull asks for: today and the days before.",
    )
    max_calls_per_day: int = Field(
        default=100,
        ge=1,
        description="Most calls for the reports of one day within one pull.",
    )


class BillingSettings(Table):
    """Money."""

    price_per_segment: float | None = Field(
        default=None,
        ge=0,
        description="Price of a segment, in the currency of the account; unset: no money is shown.",
        examples=[0.05],
    )


class ScheduleSettings(Table):
    """The flows of 'smsrecon serve': schedules, concurrency, retries, secrets."""

    daily: Cron = Field(
        default="30 2 * * *",
        description='Schedule of the flow `daily`, as cron in Asia/Shanghai; `""`: on demand only.',
    )
    reconcile: Cron = Field(
        default="0 * * * *",
        description="Schedule of the flow `reconcile`.",
    )
    balance: Cron = Field(
        default="*/10 * * * *",
        description="Schedule of the flow `watch-balance`.",
    )
    audit: Cron = Field(
        default="30 4 * * 0",
        description="Schedule of the flow `audit`.",
    )
    concurrent_runs: int = Field(
        default=8,
        ge=1,
        description="Flow runs at the same time, campaigns and all others.",
    )
    retry_delays_seconds: tuple[float, ...] = Field(
        default=(60.0, 300.0),
        description="Seconds before each retry of a pull, or of a step that closes the books.",
    )
    secret_prefix: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")] = Field(
        default="smsrecon",
        description="Beginning of the names of the Prefect Secret blocks, as in `smsrecon-app-secret`.",
    )


class AlertSettings(Table):
    """Bounds of the alerts, and where alerts are sent."""

    min_delivery_rate: Share = Field(
        default=0.8,
        description="Alert when a campaign's delivery rate (delivered / reported; once mature, delivered / accepted) is"
        " lower; `0`: never.",
    )
    max_drop_below_median: Share = Field(
        default=0.1,
        description="Alert when the delivery rate is further below the median of comparable campaigns; `1`: never.",
    )
    max_unknown_code_share: Share = Field(
        default=0.02,
        description="Alert when a larger share of the reported messages has an unknown code; `1`: never.",
    )
    max_code_share_jump: Share = Field(
        default=0.05,
        description="Alert when the share of a failure code is further above its median; `1`: never.",
    )
    max_orphan_share: Share = Field(
        default=0.01,
        description="Alert when a larger share of the latest reports belongs to no message of ours; `1`: never.",
    )
    max_reject_share: Share = Field(
        default=0.01,
        description="Alert when a larger share of the records of pulls or pushes since yesterday was rejected;"
        " `1`: never.",
    )
    max_segment_gap: Share = Field(
        default=0.01,
        description="Alert when the balance fell since yesterday by a larger share more than was accepted; `1`: never.",
    )
    max_left_out_files: int = Field(
        default=0,
        ge=0,
        description="Alert when more files of a campaign's folder were not read.",
    )
    max_in_doubt_batches: int = Field(
        default=0,
        ge=0,
        description="Alert when a campaign has more batches in doubt.",
    )
    max_refused_pushes: int = Field(
        default=0,
        ge=0,
        description="Alert when more pushes by the secret path were refused within a day.",
    )
    min_balance: int = Field(
        default=0,
        ge=0,
        description="Alert when fewer segments are left on the account; `0`: never.",
    )
    min_message_count: int = Field(
        default=100,
        ge=1,
        description="Fewest messages whose rates and shares can raise an alert.",
    )
    webhook_url: SecretStr = Field(
        default=SecretStr(""),
        description="Address that alerts are posted to; empty: none. Better kept in the variable.",
    )
    webhook_format: Literal["json", "dingtalk", "wecom", "feishu"] = Field(
        default="json",
        description='Format of the posts: `"json"`, or that of the robots of `"dingtalk"`, `"wecom"`, `"feishu"`.',
    )
    webhook_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Secret that signs posts to DingTalk and Feishu.",
    )
    repeat_hours: float = Field(
        default=24.0,
        ge=0,
        description="Hours after which the alert of a low balance is sent again.",
    )


class ReviewSettings(Table):
    """Charts, notebooks and the HTML report."""

    language: Literal["en", "zh"] = Field(
        default="en",
        description='Language of charts, notebooks and the HTML report: `"en"` or `"zh"`.',
    )


class ReceiveSettings(Table):
    """The endpoint of 'smsrecon receive', which takes the gateway's pushes."""

    host: str = Field(
        default="127.0.0.1",
        description="Address that the endpoint listens on.",
    )
    port: int = Field(
        default=8480,
        ge=0,
        le=65535,
        description="Port that the endpoint listens on; `0`: any free one.",
    )
    public_url: HttpUrl | None = Field(
        default=None,
        description="Address by which the vendor reaches the endpoint, without `/push/…`.",
        examples=["https://sms.example.com"],
    )
    allow_clear_text: bool = Field(
        default=False,
        description="Take pushes over `http://` from beyond this machine, which others can read and forge.",
    )
    path_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Secret part of the endpoint's path: 16 or more letters, digits, `-`, `_`. Better kept in the"
        " variable.",
        json_schema_extra=FILL_IN,
    )
    allow: tuple[IPvAnyNetwork, ...] = Field(
        default=(),
        description="Addresses and networks that may push; empty: all.",
    )
    trusted_proxies: tuple[IPvAnyNetwork, ...] = Field(
        default=(),
        description="Addresses and networks of the proxies whose `X-Forwarded-For` is believed.",
    )
    sign: Annotated[str, StringConstraints(pattern=r"^(none|md5|[\w.]+:\w+)$")] = Field(
        default="none",
        description='How the `sign` of a push is checked: `"none"`, `"md5"`, or `"module:function"` of your own.',
    )
    sign_text: SignText = Field(
        default="{app_key}{time_stamp}{nonce_str}{app_secret}",
        description="Text that the MD5 is taken of.",
    )
    max_age_minutes: int | None = Field(
        default=None,
        ge=1,
        description="Most minutes that the `time_stamp` of a push may be from now; unset: any.",
        examples=[60],
    )
    nonce_memory: int = Field(
        default=200_000,
        ge=0,
        description="Pushes whose `nonce_str` is remembered.",
    )
    max_body_kb: int = Field(
        default=1024,
        ge=1,
        description="Largest push, in KB.",
    )
    max_waiting_mb: int = Field(
        default=64,
        ge=1,
        description="Most data that may wait for the disk, in MB; further pushes are answered 503.",
    )
    max_refused_mb: int = Field(
        default=64,
        ge=0,
        description="Most data of pushes that are refused or can't be parsed that is kept, in MB.",
    )
    segment_mb: int = Field(
        default=64,
        ge=1,
        description="Size at which a file of pushes is sealed, in MB.",
    )
    segment_seconds: float = Field(
        default=900.0,
        gt=0,
        description="Age at which a file of pushes is sealed, in seconds.",
    )
    answer: str = Field(
        default="success",
        description="Body of the answer 200.",
    )

    @property
    def url(self) -> str:
        """The URL of the endpoint: public_url if set, else its address on this machine."""
        return (self.public_url or http_url(self.host, self.port)).rstrip("/")


class WarehouseSettings(Table):
    """Resources of DuckDB."""

    busy_timeout_seconds: float = Field(
        default=60.0,
        ge=0,
        description="Seconds to wait for a warehouse that another process holds.",
    )
    memory_limit: str | None = Field(
        default=None,
        description="Memory limit of DuckDB, plus 350 MB; unset: 80 % of all.",
        examples=["4GB"],
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        description="Threads of DuckDB; unset: one per core.",
        examples=[2],
    )


class SharedSettings(Table):
    """Parts that several machines share; one machine needs none."""

    bucket: str = Field(
        default="",
        pattern=r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^?#]*)?)?$",
        description="Address of the S3-compatible bucket with the landing of several machines, `s3://name/prefix`;"
        " endpoint and credentials come from the AWS variables.",
    )
    database: SecretStr = Field(
        default=SecretStr(""),
        description="Address of the PostgreSQL with the journal of several machines, `postgresql://user@host/smsrecon`."
        " Better kept in the variable.",
    )


class Settings(BaseSettings):
    """All settings: two of their own, and a table for each part of the program."""

    model_config = SettingsConfigDict(
        env_prefix="SMSRECON_", env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    data_dir: Path = Field(
        default=Path("data"),
        description="Folder of all data; a relative path counts from that of the configuration file.",
    )
    installation: str = Field(
        default="main",
        min_length=1,
        description="Part of every number sent out, so that two installations on one account never clash.",
    )
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
    shared: SharedSettings = SharedSettings()

    @field_validator("data_dir")
    @classmethod
    def _in_home(cls, folder: Path) -> Path:
        """Polars and DuckDB take a leading ~ for the home folder, and Python does not."""
        return Path(os.path.expanduser(folder))  # noqa: PTH111  Path.expanduser fails for a user who doesn't exist

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
    def scratch_folder(self) -> Path:
        """Copies that an audit compares, while it runs."""
        return self.data_dir / ".audit"

    @property
    def inputs_folder(self) -> Path:
        """Folders of copies of inputs that were given as addresses, while they are planned."""
        return self.data_dir / ".inputs"

    @property
    def sent_alerts_path(self) -> Path:
        """When each alert that still stands was sent last."""
        return self.data_dir / "sent_alerts.json"

    @property
    def prefect_folder(self) -> Path:
        """The database, the log and the log-in of the Prefect server that `serve --with-server` starts."""
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


MIN_PATH_SECRET_LENGTH: Final = 16
_IN_A_PATH: Final = re.compile("[A-Za-z0-9_-]*")  # what means the same in a path to every client and proxy
_MESSAGES: Final = {  # clearer than pydantic's own
    "extra_forbidden": "there is no such setting",
    "model_type": "is a table; name its settings, as in SMSRECON_GATEWAY__FORMAT",
    "path_type": "is not a path",
}


@dataclass(frozen=True)
class Setting:
    """A setting as it is described to people; `default` and `example` are written as in TOML."""

    table: str  # empty for the settings above all tables
    name: str
    description: str
    default: str | None  # None: not set
    example: str | None
    is_to_fill_in: bool

    @property
    def full_name(self) -> str:
        """The setting's name with its table, such as `gateway.app_key`."""
        return f"{self.table}.{self.name}" if self.table else self.name


def described_settings(model: type[BaseModel] = Settings, table: str = "") -> Iterator[Setting]:
    """Every setting of the model, in order, with what its `Field` says about it."""
    for name, field in model.model_fields.items():
        if isinstance(field.default, Table):
            yield from described_settings(type(field.default), name)
            continue
        yield Setting(
            table=table,
            name=name,
            description=field.description or "",
            default=None if field.default is None else _as_toml(field.default),
            example=_as_toml(field.examples[0]) if field.examples else None,
            is_to_fill_in=field.json_schema_extra == FILL_IN,
        )


def _as_toml(value: Any) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)


def load_settings(config: Path | None = None) -> Settings:
    """Read the settings from `config` (default: SMSRECON_CONFIG, or smsrecon.toml here if there is one) and variables.

    A relative data_dir is relative to the file's folder, so that --config means the same wherever it is called from.
    Raises UsageError naming every setting that is wrong, together, never its value; also for a file that other users
    can change.
    """
    named = os.environ.get(CONFIG_VARIABLE)
    config = config or (Path(named) if named else None)
    if config is not None and not config.is_file():
        raise UsageError(f"there is no configuration file {config}; write one with 'smsrecon init'")
    file = config or CONFIG_FILE
    if file.is_file():
        check_owner(file)

    class _FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=file if file.is_file() else None)

    try:
        settings = _FromFile()
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc'])}: {_MESSAGES.get(problem['type'], problem['msg'])}"
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
    """Set SMSRECON_CONFIG, so that child processes read the same configuration in whatever folder they run."""
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
        raise UsageError(f"not set: {', '.join(missing)}; set {variables}, or write them into {CONFIG_FILE}")


def refuse_clear_text(url: str, advice: str, *, setting: str) -> None:
    """Raise UsageError if the URL is http:// and its host is not this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" and not is_loopback(host):
        raise UsageError(f"{setting} leads to http://{host}, which is not encrypted: {advice}")


def require_receive(settings: Settings) -> None:
    """Raise UsageError unless path_secret can't be guessed and fits into a path, app_key is set, and pushes are
    encrypted where others could read them."""
    secret = settings.receive.path_secret.get_secret_value()
    if not _IN_A_PATH.fullmatch(secret):
        raise UsageError(
            "receive.path_secret has other characters than letters, digits, - and _, which a path changes; make one"
            " with 'openssl rand -hex 16' and set SMSRECON_RECEIVE__PATH_SECRET"
        )
    if len(secret) < MIN_PATH_SECRET_LENGTH:
        raise UsageError(
            f"receive.path_secret is not set, or shorter than {MIN_PATH_SECRET_LENGTH} characters; make one with"
            " 'openssl rand -hex 16' and set SMSRECON_RECEIVE__PATH_SECRET"
        )
    if not settings.gateway.app_key:
        raise UsageError("gateway.app_key, which every push names, is not set; set SMSRECON_GATEWAY__APP_KEY")
    if not settings.receive.allow_clear_text:
        refuse_clear_text(
            settings.receive.url,
            "the path secret, phones and texts would cross the network for others to read; set receive.public_url to an"
            " https:// address, or take the risk with receive.allow_clear_text = true",
            setting="receive.public_url" if settings.receive.public_url else "receive.host",
        )


def unknown_variables() -> list[str]:
    """The names of SMSRECON_… variables that belong to no setting: typing mistakes, which `doctor` reports."""
    known = {CONFIG_VARIABLE} | {"SMSRECON_" + name.upper() for name in Settings.model_fields}
    return sorted(
        name for name in os.environ if name.startswith("SMSRECON_") and name.split("__")[0].upper() not in known
    )

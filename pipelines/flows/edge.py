"""What comes in from outside at the start of a flow run: the clock, the settings, and secrets from Prefect's blocks.

A secret is taken from smsrecon.toml or its variable; where neither has it, from the Secret block that is named after
it, such as smsrecon-app-secret. None is ever a parameter.
"""

import os
from datetime import UTC, datetime
from typing import Any, cast

from prefect.blocks.system import Secret
from pydantic import SecretStr

from pipelines.settings import Settings, load_settings

# Setting → the end of its block's name.
BLOCKS = {
    ("gateway", "app_key"): "app-key",
    ("gateway", "app_secret"): "app-secret",
    ("alerts", "webhook_url"): "webhook-url",
    ("alerts", "webhook_secret"): "webhook-secret",
}


def now() -> datetime:
    return datetime.now(UTC)


def settings_of_run() -> Settings:
    """The settings of the file that SMSRECON_CONFIG names, or of smsrecon.toml here, with the secrets of the blocks."""
    os.umask(0o077)  # as in a command: what is made is for its owner alone
    settings = load_settings()
    for (table, name), ending in BLOCKS.items():
        values = getattr(settings, table)
        if _plain(getattr(values, name)):
            continue
        secret = _from_block(f"{settings.schedule.secret_prefix}-{ending}")
        if secret:
            kind = type(getattr(values, name))
            settings = settings.model_copy(update={table: values.model_copy(update={name: kind(secret)})})
    return settings


def _plain(value: SecretStr | str) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _from_block(name: str) -> str | None:
    """The text of a Secret block, None if there is none of that name."""
    try:
        block = cast("Secret[Any]", Secret.load(name))
    except ValueError:
        return None
    return str(block.get())

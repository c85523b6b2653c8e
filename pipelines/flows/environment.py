"""The environment of a flow run: the clock, the settings, and secrets from Prefect blocks.

A secret comes from smsrecon.toml or its variable; if neither is set, from the Secret block with its name, such as
smsrecon-app-secret. Secrets are never parameters, because Prefect stores parameters.
"""

import os
from datetime import UTC, datetime
from typing import Any, cast

from prefect.blocks.system import Secret
from pydantic import SecretStr

from pipelines.settings import Settings, load_settings

# Setting → end of the name of its block.
BLOCKS = {
    ("gateway", "app_key"): "app-key",
    ("gateway", "app_secret"): "app-secret",
    ("alerts", "webhook_url"): "webhook-url",
    ("alerts", "webhook_secret"): "webhook-secret",
}


def now() -> datetime:
    """The current time: the clock of every flow."""
    return datetime.now(UTC)


def run_settings() -> Settings:
    """The settings of this run, with secrets that are not set read from their blocks."""
    os.umask(0o077)  # as in a command: files are their owner's alone
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
    """The text of a Secret block; None if no block has this name."""
    try:
        block = cast("Secret[Any]", Secret.load(name))
    except ValueError:
        return None
    return str(block.get())

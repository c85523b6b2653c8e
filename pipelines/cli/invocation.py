"""What every command shares: the settings that --config chooses, the clock, --json, and how findings end a command."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pipelines.cli.exits import fail

if TYPE_CHECKING:
    from pipelines.alerts.findings import Finding
    from pipelines.settings import Settings

Json = Annotated[
    bool, Parameter(name="--json", show_default=False, help="One JSON object on standard output, nothing else there.")
]
_config: Path | None = None


def choose_config(path: Path | None) -> None:
    """Read the settings from `path` from now on; None reads ./smsrecon.toml."""
    global _config  # noqa: PLW0603  one process, one configuration
    _config = path


def config() -> Path | None:
    """The file that --config named, None without it."""
    return _config


def settings() -> "Settings":
    """The settings of this invocation. Raises UsageError."""
    from pipelines.settings import load_settings

    return load_settings(_config)


def now() -> datetime:
    """The clock of every command."""
    return datetime.now(UTC)


def verdict(findings: "Iterable[Finding]") -> int:
    """Print every finding as a line on standard error, and return the exit code of the first."""
    codes = [fail(finding.message, finding.exit_code) for finding in findings]
    return codes[0] if codes else 0


def say(line: str) -> None:
    """Print one line of a command's result."""
    print(line, flush=True)  # noqa: T201  standard output is where a command's results go

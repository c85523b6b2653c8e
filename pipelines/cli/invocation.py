"""Parts that all commands share: the configuration of --config, the clock, --json, --yes, findings as exit codes."""

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
    bool,
    Parameter(name="--json", show_default=False, help="Print the result as one JSON object on standard output."),
]
Yes = Annotated[bool, Parameter(name="--yes", show_default=False, help="Do not ask for confirmation.")]
_config: Path | None = None


def choose_config(path: Path | None) -> None:
    """Read the settings from `path` from now on; None reads ./smsrecon.toml."""
    global _config  # noqa: PLW0603  one process, one configuration
    _config = path


def config() -> Path | None:
    """The file that --config names; None without the option."""
    return _config


def settings() -> "Settings":
    """The settings of this invocation. Raises UsageError if they are wrong."""
    from pipelines.settings import load_settings

    return load_settings(_config)


def now() -> datetime:
    """The current time: the clock of every command."""
    return datetime.now(UTC)


def report_findings(findings: "Iterable[Finding]") -> int:
    """Print every finding as a line on standard error, and return the exit code of the first."""
    codes = [fail(finding.message, finding.exit_code) for finding in findings]
    return codes[0] if codes else 0


def to_stdout(line: str) -> None:
    """Print one line of a command's result."""
    print(line, flush=True)  # noqa: T201  standard output is where a command's results go

"""One thing that is wrong, in one line that can be shown to anybody: no phone, no text and no secret."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from pipelines.errors import SmsreconError


@dataclass(frozen=True)
class Finding:
    """What a rule found: a line that ends in the next step, and the figure with the bound that it crossed."""

    rule: str
    message: str
    exit_code: int
    campaign_id: str | None = None
    value: float | None = None
    bound: float | None = None

    @classmethod
    def of(cls, rule: str, error: SmsreconError) -> Self:
        """An error as a finding of `rule`."""
        return cls(rule, str(error), error.exit_code)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

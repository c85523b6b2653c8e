"""Finding: one thing that is wrong, in a line without phones, texts and secrets, so that anybody may read it."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from pipelines.errors import SmsreconError


@dataclass(frozen=True)
class Finding:
    """One match of a rule: a message that ends with the next step, and the value with the bound that it crossed."""

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

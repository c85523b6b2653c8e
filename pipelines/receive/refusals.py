"""Pushes by the secret path that were refused lately. Only a folder that is rarely opened keeps them."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from pipelines.landing.landing import Landing

_LATELY: Final = timedelta(days=1)

# The push of the probe of `smsrecon doctor`, which the endpoint must refuse.
FOREIGN_PUSH: Final = b"<xml><head><app_key>another account</app_key></head><body/></xml>"


def recent_refusals(landing: Landing, *, as_of: datetime) -> Counter[str]:
    """Number of pushes refused within a day before `as_of`, by reason; the probe of `smsrecon doctor` doesn't count."""
    reasons: Counter[str] = Counter()
    for frame in landing.refused.latest_first():
        if not frame.is_whole or frame.body == FOREIGN_PUSH:
            continue
        if datetime.fromisoformat(frame.head["received_at"]) <= as_of - _LATELY:
            break
        reasons[frame.head["reason"]] += 1
    return reasons

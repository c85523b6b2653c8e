"""A process that submits one campaign, with options as JSON on standard input; ends with the exit code."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from pipelines.campaign.plan import PlanRequest
from pipelines.campaign.rate_limit import RateLimiter
from pipelines.campaign.submit import submit
from pipelines.settings import Settings

orders = json.load(sys.stdin)
settings = Settings.model_validate(orders["settings"])
submission = submit(
    PlanRequest(orders["campaign_id"], Path(orders["source"]), orders["content"]),
    settings=settings,
    clock=lambda: datetime.now(UTC),
    rate_limiter=RateLimiter(settings.gateway.requests_per_second, first_hold=orders.get("first_hold", 1.0)),
)
sys.exit(submission.exit_code)

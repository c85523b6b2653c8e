"""Findings as Prefect events, for automations."""

from collections.abc import Sequence

from prefect.events import emit_event

from pipelines.alerts.findings import Finding


def emit(findings: Sequence[Finding]) -> None:
    """Emit an event `smsrecon.finding.<rule>` for each finding, on the resource of its campaign, or of `all`."""
    for finding in findings:
        campaign = finding.campaign_id or "all"
        emit_event(
            f"smsrecon.finding.{finding.rule}",
            resource={
                "prefect.resource.id": f"smsrecon.campaign.{campaign}",
                "prefect.resource.name": campaign,
                "smsrecon.rule": finding.rule,
            },
            payload=finding.to_json(),
        )

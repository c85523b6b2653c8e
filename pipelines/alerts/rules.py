"""Rules of alerts: they examine a reconciled warehouse and make findings.

sql/alerts/<rule>.sql selects the rows that a rule matches, with bounds from the settings; `RULES` holds the message for
each row, which ends with the next step.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import duckdb

from pipelines.alerts.findings import Finding
from pipelines.errors import AlertRaised, BooksError, InDoubt, UsageError
from pipelines.phones import mask_numbers_in_text
from pipelines.settings import AlertSettings
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.statements import statement

RULES: Final = {
    "in_doubt": (
        "campaign {campaign_id}: {message_count:,} messages may or may not have been sent (batches in doubt: "
        "{value:.0f}); settle them with 'smsrecon resolve {campaign_id}'"
    ),
    "reject_share": (
        "{value:.1%} of the {message_count:,} records of {subject} since yesterday were rejected, more than "
        "{bound:.1%}: they are missing; see why with: smsrecon sql \"FROM marts.exceptions WHERE kind = 'reject'\""
    ),
    "files_left_out": (
        "campaign {campaign_id}: of the folder that it was planned from, {value:.0f} files were not read, since they "
        "are not Parquet or hidden; see which with 'smsrecon submit --dry-run', and send those that belong to it as "
        "another campaign"
    ),
    "segment_gap": (
        "the balance fell since yesterday by {subject} segments more than the {message_count:,} that were accepted, a "
        "difference of more than {bound:.1%}; ask the vendor whether a signature is added to the texts, and see: "
        "smsrecon sql 'FROM marts.balance_reconciliation'"
    ),
    "low_delivery_rate": (
        "campaign {campaign_id}: {value:.1%} of {message_count:,} {subject} messages were delivered, significantly "
        "fewer than {bound:.1%}; see why with 'smsrecon status {campaign_id}'"
    ),
    "delivery_rate_drop": (
        "campaign {campaign_id}: {value:.1%} of {message_count:,} {subject} messages were delivered, significantly "
        "fewer than the {bound:.1%} expected from comparable campaigns; see why with 'smsrecon status {campaign_id}'"
    ),
    "code_share_jump": (
        "campaign {campaign_id}: {value:.1%} of {message_count:,} reported messages failed with code {subject}, more "
        "than the {bound:.1%} expected from comparable campaigns; see what to do with 'smsrecon status {campaign_id}'"
    ),
    "unknown_code_share": (
        "campaign {campaign_id}: {value:.1%} of {message_count:,} reported messages have an undocumented code, more "
        "than {bound:.1%}; see the codes with 'smsrecon status {campaign_id}' and ask the vendor what they mean"
    ),
    "orphan_share": (
        "{value:.1%} of the {message_count:,} reports received lately belong to no message, more than {bound:.1%}; "
        "check whether another program sends with the same app_key"
    ),
}
"""The rules of sql/alerts, the most severe first, with the message for a row that a rule matches."""

_EXIT_CODES: Final = {"in_doubt": InDoubt.exit_code, "reject_share": BooksError.exit_code}


def examine(
    warehouse: Warehouse,
    settings: AlertSettings,
    *,
    as_of: datetime,
    report_window_hours: int,
    rules: Iterable[str] = tuple(RULES),
) -> list[Finding]:
    """Run rules, by default all, on the reconciled warehouse. Raises UsageError if it was never reconciled."""
    parameters = {"as_of": as_of, "report_window_hours": report_window_hours, **settings.model_dump()}
    with warehouse.read() as connection:
        try:
            return [_finding(rule, row) for rule in rules for row in rows(connection, rule, parameters)]
        except duckdb.CatalogException:
            raise UsageError(f"{warehouse.path} has no marts yet; compute them with 'smsrecon reconcile'") from None


def rows(connection: duckdb.DuckDBPyConnection, rule: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows that a rule matches: campaign_id, subject, message_count, value and bound of each."""
    select = statement(connection, f"alerts/{rule}")
    found = connection.execute(select.text, select.arguments(parameters))
    names = [name for name, *_ in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def low_balance(balance: int, settings: AlertSettings) -> list[Finding]:
    """Findings of the rule on the balance, in segments, as the gateway reports it."""
    if balance >= settings.min_balance:
        return []
    message = f"the balance is {balance:,} segments, fewer than {settings.min_balance:,}; top up the account"
    return [Finding("low_balance", message, AlertRaised.exit_code, None, balance, settings.min_balance)]


def refused_pushes(reasons: Mapping[str, int], settings: AlertSettings) -> list[Finding]:
    """Findings of the rule on refused pushes, whose number is given by reason."""
    number = sum(reasons.values())
    if number <= settings.max_refused_pushes:
        return []
    counts = ", ".join(f"{reason} {reasons[reason]:,}" for reason in sorted(reasons))
    message = (
        f"pushes by the secret path that were refused within a day: {number:,} ({counts}); see landing/refused, then "
        "correct [receive], or ask the vendor why they differ"
    )
    return [Finding("refused_pushes", message, AlertRaised.exit_code, None, number, settings.max_refused_pushes)]


def _finding(rule: str, row: dict[str, Any]) -> Finding:
    message = RULES[rule].format(**row | {"subject": _shown(row["subject"] or "")})
    exit_code = _EXIT_CODES.get(rule, AlertRaised.exit_code)
    return Finding(rule, message, exit_code, row["campaign_id"], float(row["value"]), float(row["bound"]))


def _shown(code: str) -> str:
    """A code made safe to show: it comes from outside and may hold anything, such as a phone or a robot's markup."""
    if mask_numbers_in_text(code) != code:
        return "…"
    plain = "".join(letter if letter.isalnum() or letter in " :._/-" else "?" for letter in code)
    return plain if len(plain) <= 40 else f"{plain[:39]}…"

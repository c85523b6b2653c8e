"""All that the twin says of a world, table by table, and what the warehouse says of the same tables."""

from collections.abc import Iterable

from pipelines.contracts import Contract, schema_of, table_of
from pipelines.contracts.core import Balances, Batches, Pulls, Rejects, Replies, ReplyArrivals, Reports, Suppressions
from pipelines.contracts.marts import MARTS
from pipelines.contracts.reconciled import (
    BatchOutcomes,
    FollowedMessages,
    FollowedPhones,
    HardFailures,
    LatencyPercentiles,
    MessageCounts,
    MessageFindings,
    MessageStatus,
    PhonesToSuppress,
    RepeatedMessages,
    RepeatedReplies,
    ReplyMatches,
    ReportCounts,
    ReportLookups,
    ReportMatches,
)
from tests.property.agreement import Row, without
from tests.property.happenings import World
from tests.property.landed import Landed
from tests.property.twin_core import TwinCore
from tests.property.twin_findings import TwinFindings
from tests.property.twin_marts import TwinMarts

LOADED = (Reports, Replies, ReplyArrivals, Batches, Balances, Pulls, Suppressions, Rejects)
RECONCILED = (
    ReportLookups,
    ReportMatches,
    RepeatedMessages,
    BatchOutcomes,
    MessageStatus,
    MessageCounts,
    LatencyPercentiles,
    MessageFindings,
    ReportCounts,
    HardFailures,
    FollowedPhones,
    FollowedMessages,
    RepeatedReplies,
    ReplyMatches,
    PhonesToSuppress,
)
COMPARED: tuple[type[Contract], ...] = (*LOADED, *RECONCILED, *MARTS)

# What records were made of, byte for byte: the law of tests/unit/test_load_laws.py.
_RAW = ("extra", "raw_record")


def books_of(place: Landed, contracts: Iterable[type[Contract]] = COMPARED) -> dict[str, list[Row]]:
    """The tables as they are in the warehouse."""
    return {name: without(_RAW, rows) for name, rows in place.tables(contracts).items()}


def twin_of(world: World, place: Landed) -> dict[str, list[Row]]:
    """The same tables as the twin has them."""
    core = TwinCore(world, place.files)
    marts = TwinMarts(core)
    said = {
        Reports: core.reports,
        Replies: core.replies,
        ReplyArrivals: core.reply_arrivals,
        Batches: core.batches,
        Balances: core.balances,
        Pulls: core.pulls,
        Suppressions: core.suppressions,
        Rejects: core.rejects,
        ReportLookups: core.report_lookups(),
        ReportMatches: core.report_matches(),
        RepeatedMessages: core.repeated_messages(),
        BatchOutcomes: core.batch_outcomes,
        MessageStatus: core.message_status(),
        MessageCounts: core.message_counts(),
        LatencyPercentiles: marts.latency_percentiles(),
        MessageFindings: TwinFindings(core).of_messages(),
        ReportCounts: core.report_counts(),
        HardFailures: core.hard_failures(),
        FollowedPhones: core.followed_phones(),
        FollowedMessages: core.followed_messages(),
        RepeatedReplies: core.repeated_replies(),
        ReplyMatches: core.reply_matches,
        PhonesToSuppress: core.phones_to_suppress,
    } | {mart: getattr(marts, table_of(mart).split(".")[1])() for mart in MARTS}
    return {table_of(contract): [_in_order(contract, row) for row in rows] for contract, rows in said.items()}


def _in_order(contract: type[Contract], row: Row) -> Row:
    """The row with the columns in the order of the contract; a column that it lacks, or has too much, is an error."""
    names = [name for name in schema_of(contract) if name not in _RAW]
    assert set(row) == set(names), (table_of(contract), set(row) ^ set(names))
    return {name: row[name] for name in names}

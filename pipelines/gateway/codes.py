"""The gateway's codes: what an error code tells the sender to do, and which delivery codes are a delivery.

Both are read from sql/reference, which is also what the marts, the pages and the terminal show of a code.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from pipelines.sql_files import reference_rows

ACCEPTED_CODE: Final = "000000"

DELIVERED_CODES: Final = frozenset(
    row["code"] for row in reference_rows("gateway_codes") if row["class"] == "delivered"
)
"""The codes of a report for a delivered message; every other code is a reason why it was not delivered."""

GATEWAY_CODES: Final[Mapping[str, str]] = MappingProxyType(
    {row["code"].upper(): row["code"] for row in reference_rows("gateway_codes")} | {"DELIVERED": "DELIVRD"}
)
"""The code of the vendor for each code in capitals; DELIVRD may be written in full."""

_REFUSAL: Final = re.compile(r"1[0-9]{5}")


class Verdict(StrEnum):
    """The outcome of a submission, as its error code tells it, and so what the sender does next."""

    ACCEPTED = "accepted"  # go on
    TOO_FAST = "too_fast"  # refused: slow down, then again under a new batch number
    SOME_MESSAGES = "some_messages"  # refused because of some messages: split until they stand alone
    CAMPAIGN = "campaign"  # refused, and the next would be too: pause the campaign
    REFUSED = "refused"  # refused, our fault: refuse the batch, go on
    OUTCOME_UNKNOWN = "outcome_unknown"  # may have been sent: in doubt


@dataclass(frozen=True)
class ErrorCode:
    """One row of sql/reference/error_codes.csv, as far as sending and querying need it.

    `query_next_step` is what the operator does when the gateway refuses a query with the code.
    """

    verdict: Verdict
    meaning: str
    query_next_step: str


ERROR_CODES: Final[Mapping[str, ErrorCode]] = MappingProxyType(
    {
        row["error_code"]: ErrorCode(Verdict(row["verdict"]), row["meaning"], row["query_next_step"])
        for row in reference_rows("error_codes")
    }
)
"""The error codes that the vendor documents."""

TEMPORARY_CODES: Final = frozenset(
    code
    for code, known in ERROR_CODES.items()
    if known.verdict is Verdict.TOO_FAST or known.verdict is Verdict.OUTCOME_UNKNOWN
)
"""The error codes after which the same query may succeed. A query changes nothing, so repeating it is safe."""


def with_meaning(error_code: str) -> str:
    """An error code as messages show it, such as `100009 (balance too low)`."""
    known = ERROR_CODES.get(error_code)
    return f"{error_code} ({known.meaning if known else 'a code that is in no table'})"


def verdict(error_code: str) -> Verdict:
    """The verdict of one error code. An unknown 1xxxxx is a refusal; any other unknown code proves nothing."""
    if error_code in ERROR_CODES:
        return ERROR_CODES[error_code].verdict
    return Verdict.REFUSED if _REFUSAL.fullmatch(error_code) else Verdict.OUTCOME_UNKNOWN

"""What the gateway's codes mean to a sender: the verdict on an answer, and which codes are a delivery.

What people read of a code (its meaning in two languages, whose move it is) is sql/reference/*.csv, for the marts.
"""

import re
from enum import Enum, auto
from types import MappingProxyType

ACCEPTED_CODE = "000000"

DELIVERED_CODES = frozenset({"0", "DELIVRD"})
"""The codes of a report that say the phone has the message; every other one is a reason why not."""


class Verdict(Enum):
    """What the answer to a submission says of its messages, and so what the sender does next."""

    ACCEPTED = auto()  # go on
    TOO_FAST = auto()  # refused: slow down, then again under a new batch number
    SOME_MESSAGES = auto()  # refused because of some messages: split until they stand alone
    CAMPAIGN = auto()  # refused, and the next would be too: pause the campaign
    REFUSED = auto()  # refused, our fault: refuse the batch, go on
    OUTCOME_UNKNOWN = auto()  # nobody can tell: in doubt


_ERROR_CODES: tuple[tuple[str, Verdict, str], ...] = (
    (ACCEPTED_CODE, Verdict.ACCEPTED, "accepted"),
    ("100001", Verdict.REFUSED, "bad parameter format"),
    ("100002", Verdict.CAMPAIGN, "account missing or in a bad state"),
    ("100003", Verdict.CAMPAIGN, "wrong appSecret"),
    ("100004", Verdict.CAMPAIGN, "caller's IP not on the white list"),
    ("100005", Verdict.REFUSED, "more than 1000 messages in one request"),
    ("100006", Verdict.REFUSED, "number of mission numbers differs from number of phones"),
    ("100007", Verdict.SOME_MESSAGES, "some phone is malformed"),
    ("100008", Verdict.SOME_MESSAGES, "some phone was asked for too often lately"),
    ("100009", Verdict.CAMPAIGN, "balance too low"),
    ("100010", Verdict.CAMPAIGN, "daily volume limit reached"),
    ("100011", Verdict.CAMPAIGN, "template not found"),
    ("100012", Verdict.REFUSED, "number of texts differs from number of phones"),
    ("100013", Verdict.SOME_MESSAGES, "text does not match the template"),
    ("100014", Verdict.TOO_FAST, "calling too fast"),
    ("999999", Verdict.OUTCOME_UNKNOWN, "system error of the gateway"),
)

ERROR_MEANINGS = MappingProxyType({code: meaning for code, _, meaning in _ERROR_CODES})
"""Error code → what it means, in a few English words."""

_VERDICTS = {code: verdict for code, verdict, _ in _ERROR_CODES}
_REFUSAL = re.compile(r"1[0-9]{5}")


def verdict(error_code: str) -> Verdict:
    """The verdict of one error code. An unknown 1xxxxx is a refusal; anything else unknown proves nothing."""
    known = _VERDICTS.get(error_code)
    if known is not None:
        return known
    return Verdict.REFUSED if _REFUSAL.fullmatch(error_code) else Verdict.OUTCOME_UNKNOWN

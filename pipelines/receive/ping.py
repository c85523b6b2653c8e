"""The ping by which `smsrecon doctor` knows its own endpoint: both sides prove that they have the path secret.

GET /push/ping?nonce=…&signature=… is answered with another signature of the nonce. Neither shows the secret, which is
sent nowhere before the answer is right: whatever else listens there would log it.
"""

import hmac
from typing import Literal

from pipelines.settings import ReceiveSettings


def signature(receive: ReceiveSettings, side: Literal["question", "answer"], nonce: str) -> str:
    """The proof of one side, in hexadecimal."""
    key = receive.path_secret.get_secret_value().encode()
    return hmac.new(key, f"smsrecon ping {side} {nonce}".encode(), "sha256").hexdigest()


def is_signed(receive: ReceiveSettings, side: Literal["question", "answer"], nonce: str, given: str) -> bool:
    """Compare in constant time; without a path secret nothing is signed."""
    expected = signature(receive, side, nonce)
    return bool(receive.path_secret.get_secret_value()) and hmac.compare_digest(given.encode(), expected.encode())

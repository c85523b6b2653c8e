"""Checks of a push before it is kept: path, address, size, signature, age, nonce. Every refusal has a reason."""

import hmac
import ipaddress
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from pipelines.gateway.push import DamagedPush, PushHead, UnreadablePush, read_head, verifier
from pipelines.settings import Settings
from pipelines.times import instant_from_text

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


_THIS_MACHINE: Final = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128"))


class Refused(Exception):
    """The push is not taken; `reason` is a key of REASONS, `status` the HTTP status of the answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = REASONS[reason]


REASONS: Final = {
    "path": 404,  # not the secret path
    "address": 403,  # not in receive.allow
    "length": 413,  # more than receive.max_body_kb
    "unreadable": 400,  # XML without a head, or nothing; or not XML, and no room left for such pushes
    "app_key": 403,
    "sign": 403,
    "time_stamp": 403,  # older than receive.max_age_minutes, in the future by as much, or missing
    "nonce": 403,  # the nonce_str of another push
    "full": 503,  # as much waits for the disk as may be held in memory
    "disk": 503,  # writing failed
}


@dataclass(frozen=True)
class Admitted:
    """A push that passed all checks; `is_repeated` if it is kept already.

    `head` is None if the push can't be parsed: then nothing but path and address could be checked.
    """

    head: PushHead | None
    is_repeated: bool


class Gate:
    """The checks that [receive] configures, with a memory of the nonces of pushes that were kept."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._receive = settings.receive
        self._app_key = settings.gateway.app_key
        self._app_secret = settings.gateway.app_secret.get_secret_value()
        self._clock = clock
        self._path_secret = settings.receive.path_secret.get_secret_value()
        self._allowed = settings.receive.allow
        self._proxies = settings.receive.trusted_proxies
        self._verify = verifier(settings.receive.sign, settings.receive.sign_text)
        self._nonces: OrderedDict[bytes, bytes] = OrderedDict()

    def check_path(self, path_secret: str) -> None:
        if not _is_same(path_secret, self._path_secret):
            raise Refused("path")

    def check_address(self, peer: str, forwarded_for: str) -> str:
        """The address of the caller, who may be behind trusted proxies. Raises Refused if it is not allowed."""
        address = self._address(peer, forwarded_for)
        if self._allowed and not _is_within(address, self._allowed):
            raise Refused("address")
        return address

    def may_measure(self, peer: str, forwarded_for: str) -> bool:
        """True for who may push, and for this machine itself, but not for others through a proxy on it."""
        address = self._address(peer, forwarded_for)
        return not self._allowed or _is_within(address, self._allowed) or _is_within(address, _THIS_MACHINE)

    def _address(self, peer: str, forwarded_for: str) -> str:
        hops = [peer, *(hop.strip() for hop in reversed(forwarded_for.split(",")) if hop.strip())]
        return next((hop for hop in hops if not _is_within(hop, self._proxies)), hops[-1])

    def check_push(self, body: bytes) -> Admitted:
        """Check head, signature, age and nonce, as far as the push can be parsed. Raises Refused."""
        try:
            head = read_head(body)
        except DamagedPush:
            if not body.strip():
                raise Refused("unreadable") from None
            return Admitted(None, is_repeated=False)
        except UnreadablePush:
            raise Refused("unreadable") from None
        if not _is_same(head.app_key, self._app_key):
            raise Refused("app_key")
        if not self._verify(head, body, self._app_secret):
            raise Refused("sign")
        if not self._is_in_time(head.time_stamp):
            raise Refused("time_stamp")
        known = self._nonces.get(_digest(head.nonce_str.encode()))
        if known is not None and known != _digest(body):
            raise Refused("nonce")
        return Admitted(head, is_repeated=known is not None)

    def remember(self, head: PushHead | None, body: bytes) -> None:
        """Remember that the push is on disk, so that a repetition needn't be kept."""
        if head is not None and head.nonce_str:
            self._nonces[_digest(head.nonce_str.encode())] = _digest(body)
            if len(self._nonces) > self._receive.nonce_memory:
                self._nonces.popitem(last=False)

    def recall(self, bodies: Iterable[bytes]) -> int:
        """Remember pushes that an earlier process kept, given the latest first; returns the size of unreadable ones."""
        unreadable_bytes = 0
        for body in bodies:
            try:
                self.remember(read_head(body), body)
            except UnreadablePush:
                unreadable_bytes += len(body)
        self._nonces = OrderedDict(reversed(self._nonces.items()))
        return unreadable_bytes

    def _is_in_time(self, time_stamp: str) -> bool:
        if self._receive.max_age_minutes is None:
            return True
        sent_at = instant_from_text(time_stamp)
        if sent_at is None:
            return False
        return abs(self._clock() - sent_at) <= timedelta(minutes=self._receive.max_age_minutes)


def _is_within(address: str, of: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    plain = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(plain in network for network in of)


def _is_same(given: str, expected: str) -> bool:
    """Compare secrets in constant time; an empty expected secret matches nothing."""
    return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=12).digest()

"""Addresses of inputs that are not on this machine: which can be read, and how they are shown."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pipelines.addresses import is_loopback
from pipelines.errors import InputRefused
from pipelines.formatting import printable

_SCHEME: Final = re.compile("([A-Za-z][A-Za-z0-9+.-]+):/")  # two letters at least: C: is a drive
_BUCKET: Final = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{1,62}")
_SECRETS: Final = re.compile("[?#].*", re.DOTALL)
_COPY_IT: Final = "or copy the files to this machine and give their path"


@dataclass(frozen=True)
class Address:
    """The address of a file, or of a folder in a bucket.

    As text it has no user, password, query and fragment: that of a pre-signed address is a secret.
    """

    url: str = field(repr=False)

    def __str__(self) -> str:
        scheme, _, rest = _SECRETS.sub("", self.url).partition("://")
        host, slash, path = rest.partition("/")
        return printable(f"{scheme.lower()}://{host.rpartition('@')[2]}{slash}{path}")

    @property
    def is_in_bucket(self) -> bool:
        return self.url.lower().startswith("s3://")

    @property
    def bucket(self) -> str:
        return self.url.partition("://")[2].partition("/")[0]

    @property
    def key(self) -> str:
        """The name of the object or folder in its bucket, as given; empty for the whole bucket."""
        return self.url.partition("://")[2].partition("/")[2]

    @property
    def root(self) -> str:
        """The part of the address that a copy's folder stands for: the bucket, or the whole address of a file."""
        return f"s3://{self.bucket}" if self.is_in_bucket else str(self)

    @property
    def has_secret_parts(self) -> bool:
        """True if it has a user, a password or a query."""
        return self.url.split("://", 1)[1] != str(self).split("://", 1)[1]


def input_source(given: str) -> Path | Address:
    """The path or the address that the operator gave; what exists here by that name is a path.

    Raises InputRefused for an address of another kind than s3://, https://, and http:// on this machine.
    """
    scheme = _SCHEME.match(given)
    if scheme is None or os.path.exists(given):  # noqa: PTH110  Path.exists fails for a name that is too long
        return Path(given)
    kind = scheme[1].lower()
    address = Address(given)
    if kind == "file":
        raise InputRefused("an address that starts with file:// can't be read; give the path without file://")
    if kind not in {"s3", "http", "https"} or not given[scheme.end() :].startswith("/"):
        raise InputRefused(
            f"an address such as {kind}://… can't be read; give s3://BUCKET/…, for any store that speaks S3, or"
            f" https://…, {_COPY_IT}"
        )
    if address.is_in_bucket:
        if not _BUCKET.fullmatch(address.bucket):
            raise InputRefused(
                "the address names no bucket; write it like s3://BUCKET/list.parquet, and give the credentials in"
                " AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        return address
    try:
        parts = urlsplit(given)
        host = parts.hostname or ""
        is_valid = bool(host) and (parts.port or 1) > 0
    except ValueError:
        is_valid = False
    if not is_valid:
        raise InputRefused("the address is not valid; write it like https://host/list.parquet")
    if kind == "http" and not is_loopback(host):
        raise InputRefused(
            f"{address}: is not encrypted, so others could read and change who is sent to; give an https:// address,"
            f" {_COPY_IT}"
        )
    return address

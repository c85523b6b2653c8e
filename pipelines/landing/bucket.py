"""An S3-compatible bucket: AWS, Aliyun OSS, MinIO, SeaweedFS and alike.

Endpoint and credentials come from the usual variables: AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; an endpoint without encryption needs AWS_ALLOW_HTTP=true. A write whose answer
is lost is tried again, and one that finds itself there has succeeded.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from pipelines.errors import SharedUnavailable, UsageError

if TYPE_CHECKING:
    from obstore.store import S3Store

ATTEMPTS: Final = 3
_PATIENCE: Final = timedelta(seconds=30)  # with all attempts of one call
_MOST_SKEW: Final = timedelta(seconds=60)


def open_store(name: str, prefix: str | None = None) -> "S3Store":
    """The client of a bucket. Raises UsageError if it isn't installed."""
    try:
        from obstore.store import S3Store  # noqa: PLC0415  of an extra
    except ImportError:
        raise UsageError(
            "s3:// addresses need the package obstore; install it with pip install 'smsrecon[shared]'"
        ) from None
    return S3Store(name, prefix=prefix, retry_config={"max_retries": ATTEMPTS, "retry_timeout": _PATIENCE})


@dataclass(frozen=True)
class Object:
    """An object of the bucket: its version, as its ETag says, its metadata, and when it was written."""

    etag: str
    changed_at: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Bucket:
    """The objects beneath an address such as `s3://name/prefix`, of the form that shared.bucket has.

    Their names are paths beneath it.

    Every method raises SharedUnavailable if the bucket can't be reached or refuses, without showing a credential.
    """

    address: str

    def url(self, name: str) -> str:
        """The address of an object."""
        return f"{self.address.rstrip('/')}/{name}"

    def create(self, name: str, content: bytes, *, metadata: Mapping[str, str] | None = None) -> str:
        """Write an object that isn't there, or is there with the same content; returns its ETag.

        Raises FileExistsError if it has other content.
        """
        return self._written(name, content, "create", metadata)

    def replace(self, name: str, content: bytes, *, etag: str, metadata: Mapping[str, str] | None = None) -> str:
        """Replace the object of this ETag; returns the new ETag. Raises FileExistsError if it is another one by now."""
        return self._written(name, content, {"e_tag": etag}, metadata)

    def overwrite(self, name: str, content: bytes, *, metadata: Mapping[str, str] | None = None) -> str:
        """Write an object, whatever is there; returns its ETag."""
        return self._written(name, content, "overwrite", metadata)

    def read(self, name: str) -> tuple[bytes, str]:
        """The content of an object, and its ETag. Raises FileNotFoundError."""
        with self._asking():
            found = self._store.get(name)
            return bytes(found.bytes()), str(found.meta["e_tag"])

    def head(self, name: str) -> Object | None:
        """An object without its content; None if it isn't there."""
        try:
            with self._asking():
                found = self._store.get(name, options={"head": True})
        except FileNotFoundError:
            return None
        metadata = {str(key): str(value) for key, value in found.attributes.items()}
        return Object(str(found.meta["e_tag"]), found.meta["last_modified"], metadata)

    def listed(self, folder: str = "") -> Iterator[tuple[str, Object]]:
        """All objects below a folder, by name."""
        with self._asking():
            for chunk in self._store.list(folder or None, chunk_size=1000):
                for found in chunk:
                    yield str(found["path"]), Object(str(found["e_tag"]), found["last_modified"])

    def remove(self, name: str) -> None:
        """Remove an object, which may be gone already."""
        try:
            with self._asking():
                self._store.delete(name)
        except FileNotFoundError:
            return

    def problem(self, now: datetime) -> str | None:
        """None, or a warning in a sentence, after trying all that is needed under a name of its own.

        Raises UsageError if the store overwrites what it is told to create only, or if the clocks differ by a minute.
        """
        name = f"probe-{os.getpid()}-{now:%Y%m%dT%H%M%S%f}"
        self.create(name, b"1")
        try:
            try:
                self.create(name, b"2")
            except FileExistsError:
                pass
            else:
                raise UsageError(
                    f"the store of {self.address} overwrites objects that are to be created only (If-None-Match), so"
                    " machines would lose each other's files; choose another store"
                )
            found = self.head(name)
            listed = {path for path, _ in self.listed()}
            if found is None or name not in listed:
                raise UsageError(f"{self.address} does not list what was just written; choose another store")
            if abs(found.changed_at - now) > _MOST_SKEW:
                raise UsageError(
                    f"this machine's clock and that of {self.address} differ by more than a minute; set them by NTP"
                )
        finally:
            self.remove(name)
        if self.keeps_versions():
            return f"{self.address} keeps old versions, so nobody can be erased there; switch versioning off"
        return None

    def keeps_versions(self) -> bool:
        """True if the bucket keeps what was replaced or removed."""
        name = f"probe-{os.getpid()}-versions"
        with self._asking():
            written = self._store.put(name, b"1")
        self.remove(name)
        return written["version"] is not None

    def _written(self, name: str, content: bytes, mode: Any, metadata: Mapping[str, str] | None = None) -> str:
        from obstore.exceptions import AlreadyExistsError, PreconditionError  # noqa: PLC0415

        try:
            with self._asking():
                written = self._store.put(
                    name, content, mode=mode, attributes=dict(metadata or {}), use_multipart=False
                )
                return str(written["e_tag"])
        except (AlreadyExistsError, PreconditionError, SharedUnavailable) as error:
            # An attempt whose answer was lost may have written it.
            with suppress(FileNotFoundError, SharedUnavailable):
                found, etag = self.read(name)
                if found == content:
                    return etag
            if isinstance(error, SharedUnavailable):
                raise
        raise FileExistsError(f"{self.url(name)} was written by another machine")

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Turn the client's errors into SharedUnavailable, but for what says that an object is or isn't there."""
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError  # noqa: PLC0415

        try:
            yield
        except (AlreadyExistsError, PreconditionError):
            raise
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise UsageError(f"there is no bucket {self.address}; make it, or correct shared.bucket") from None
            raise FileNotFoundError(self.address) from None
        except (BaseError, OSError) as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: Exception) -> SharedUnavailable:
        kind = type(error).__name__.removesuffix("Error")
        return SharedUnavailable(
            f"the bucket {self.address} can't be used ({kind}); check shared.bucket, AWS_ENDPOINT_URL and the"
            " credentials, then run the same command again"
        )

    @cached_property
    def _store(self) -> "S3Store":
        name, _, prefix = self.address.removeprefix("s3://").partition("/")
        return open_store(name, prefix.rstrip("/") or None)

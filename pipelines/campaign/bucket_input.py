"""Inputs in a bucket: an object or a folder, copied with what lies beside it as far as the rules of inputs look at it.

Credentials and endpoint come from the AWS variables. First each object becomes a file of its first four bytes, so that
the rules of input files choose among them; those chosen are then copied whole, in the version that was listed.
"""

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipelines.campaign.input_address import Address
from pipelines.campaign.input_files import MARK_BEGINNINGS, input_files
from pipelines.errors import InputRefused
from pipelines.landing.bucket import open_store

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import S3Store

MOST_OBJECTS: Final = 10_000
_MOST_MARKS: Final = 1000  # objects that are looked at for one kind of mark
_AT_ONCE: Final = 8
_RANGE_BYTES: Final = 8 * 2**20  # of one request, which the client ends after 30 seconds
_STATUS: Final = re.compile(r"status code: (\d{3})")


def copy_from_bucket(address: Address, copy: Path, *, most_bytes: int) -> Path:
    """Copy an object or a folder to `copy`, the bucket's place, and return its path there.

    Raises InputRefused, and UsageError if the client isn't installed.
    """
    store = open_store(address.bucket)
    with _refusals(address):
        objects = _objects(store, address)
        is_one = len(objects) == 1 and objects[0]["path"] == address.key
        path = copy.joinpath(*address.key.split("/")) if address.key else copy
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda each: _write(store, each, copy, most_bytes=4), objects))
            above = [*(path.relative_to(copy).parents if path != copy else ())]
            folders = ["" if folder == Path() else folder.as_posix() for folder in above]
            list(pool.map(lambda folder: _copy_marks(store, folder, copy), folders))
    chosen = {file.relative_to(copy).as_posix() for file in input_files(path).paths}
    wanted = [each for each in objects if is_one or each["path"] in chosen]
    size = sum(each["size"] for each in wanted)
    if size > most_bytes:
        raise InputRefused(
            f"{address}: is larger than {most_bytes / 2**20:,.0f} MB; split it, or copy it to this machine"
        )
    with _refusals(address):
        for each in wanted:
            _write(store, each, copy, most_bytes=each["size"])
    return path


def _objects(store: "S3Store", address: Address) -> "Sequence[ObjectMeta]":
    """The object of the address, or all in the folder; the empty ones that stand for folders are left out."""
    if address.key and not address.key.endswith("/"):
        try:
            return [store.head(address.key)]
        except FileNotFoundError:
            pass
    listed = (each for chunk in store.list(address.key or None) for each in chunk)
    found = [*islice(listed, MOST_OBJECTS + 1)]
    if len(found) > MOST_OBJECTS:
        raise InputRefused(f"{address}: has more than {MOST_OBJECTS:,} objects; give a folder with fewer")
    folders = {folder.as_posix() for each in found for folder in Path(each["path"]).parents}
    found = [each for each in found if each["size"] or each["path"] not in folders]
    if not found:
        pattern = "patterns are not read in a bucket; " if re.search(r"[*?\[]", address.key) else ""
        raise InputRefused(f"{address}: there is no such object or folder; {pattern}correct the address")
    return found


def _copy_marks(store: "S3Store", folder: str, copy: Path) -> None:
    """Make empty files for the objects in a folder above the input that would tell that it belongs to a table."""
    for beginning in MARK_BEGINNINGS:
        name = f"{folder}/{beginning}" if folder else beginning
        try:
            listed = (each["path"] for chunk in store.list(folder or None, offset=name[:-1]) for each in chunk)
            for path in islice(listed, _MOST_MARKS):
                if path.startswith(name):
                    file = copy / path
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.touch()
                elif path > name:
                    break
        except Exception as error:
            if _status(error) == 403:  # who may read one object need not have the right to list
                return
            raise


def _write(store: "S3Store", meta: "ObjectMeta", copy: Path, *, most_bytes: int) -> None:
    """Write the first bytes of an object, in the version of `meta`, to its place below `copy`."""
    path = copy.joinpath(*meta["path"].split("/"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        size = min(meta["size"], most_bytes)
        for start in range(0, size, _RANGE_BYTES):
            part = (start, min(start + _RANGE_BYTES, size))
            file.write(store.get(meta["path"], options={"range": part, "if_match": meta["e_tag"]}).bytes())


@contextmanager
def _refusals(address: Address) -> Iterator[None]:
    """Raise InputRefused for the errors of the client, whose own messages are long."""
    from obstore.exceptions import BaseError, InvalidPathError, PreconditionError  # noqa: PLC0415  of an extra

    try:
        yield
    except (PreconditionError, FileNotFoundError):
        raise InputRefused(f"{address}: changed while it was read; submit again when it is written") from None
    except (InvalidPathError, ValueError, FileExistsError, NotADirectoryError, IsADirectoryError):
        raise InputRefused(
            f"{address}: has an object whose name can't be that of a file; give a folder without it"
        ) from None
    except BaseError as error:
        raise InputRefused(f"{address}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    said, status = str(error), _status(error)
    if "169.254." in said:
        return "there are no credentials to read it with; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if status in {401, 403}:
        return (
            f"may not be read (HTTP status {status}); check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that they"
            " may read and list it"
        )
    if status == 404:
        return "there is no such object, folder or bucket; correct the address"
    if status is not None:
        return f"can't be read (HTTP status {status}); try again later, and check AWS_ENDPOINT_URL and AWS_REGION"
    if "builder error" in said:
        return "AWS_ENDPOINT_URL is not encrypted; give an https:// address, or set AWS_ALLOW_HTTP=true"
    return "its host can't be reached; check AWS_ENDPOINT_URL, AWS_REGION and the network"


def _status(error: Exception) -> int | None:
    found = _STATUS.search(str(error))
    return int(found[1]) if found else None

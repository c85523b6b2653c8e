"""Inputs at an address: copied into a scratch folder, planned from there as local files are, and removed.

Every rule of input files holds for the copy; errors name the address in its place.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pipelines.campaign.bucket_input import copy_from_bucket
from pipelines.campaign.input_address import Address
from pipelines.errors import InputRefused
from pipelines.landing.scratch import new_scratch_folder

MOST_BYTES: Final = 4 * 2**30  # of all files of an input; it is read into memory


@contextmanager
def local_copy(source: Path | Address, folder: Path, *, most_bytes: int = MOST_BYTES) -> Iterator[Path]:
    """Yield the path of an input on this machine: the source, or a copy below `folder` until the block ends.

    Raises InputRefused for an address that can't be read, and UsageError if its client isn't installed.
    """
    if isinstance(source, Path):
        yield source
        return
    with new_scratch_folder(folder.resolve()) as scratch:
        copy = scratch / "copy"
        try:
            if source.is_in_bucket:
                yield copy_from_bucket(source, copy, most_bytes=most_bytes)
            else:
                from pipelines.campaign.web_input import copy_from_web  # noqa: PLC0415  its client takes 0.1 s to import

                copy_from_web(source, copy, most_bytes=most_bytes)
                yield copy
        except InputRefused as error:
            raise InputRefused(str(error).replace(str(copy), source.root)) from None

"""The Parquet files of an input: found behind a path, told apart from other files, and hashed.

The same files are the same input however their path is spelled: relative or absolute, through links, or as a glob.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from glob import escape, glob
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from pipelines.errors import InputRefused
from pipelines.formatting import MOST_LISTED, count, first_of, printable
from pipelines.phones import mask_in_text

_MAGIC: Final = (b"PAR1", b"PARE")  # Parquet, and encrypted Parquet, which is refused when it is read
_ENDINGS: Final = (".parquet", ".parq", ".pq")
_HIVE_NULL: Final = "__HIVE_DEFAULT_PARTITION__"

# Files within a folder that say elsewhere which of its Parquet files and rows count.
_TABLES: Final = {
    "_delta_log": "a Delta table",
    ".hoodie": "a Hudi table",
    ".hoodie_partition_metadata": "a Hudi table",
    "metadata/*.metadata.json*": "an Iceberg table",
    "metadata/version-hint.text": "an Iceberg table",
    "snapshot/LATEST": "a Paimon table",
    "manifest/manifest-list-*": "a Paimon table",
    "ducklake-*.parquet": "a DuckLake table",
    "_spark_metadata": "the output of a Spark stream",
}
_UNFINISHED: Final = ("_temporary", "__magic*", ".spark-staging*", ".hive-staging*")  # removed when the job is done
_STARTED, _COMMITTED = "_started_", "_committed_"  # files of a job of Databricks
_DRAFT: Final = re.compile(  # the name of a file that is being written or downloaded
    r"\.inprogress(\.|$)|\.(incomplete|te?mp|part|partial|filepart|crdownload|download)$", re.IGNORECASE
)
# The fixed beginning of each name that tells a table or unfinished output.
MARK_BEGINNINGS: Final = tuple(
    dict.fromkeys(mark.partition("*")[0] for mark in (*_TABLES, *_UNFINISHED, _STARTED, _COMMITTED))
)
_WITHOUT_ROWS: Final = ("_metadata", "_common_metadata")  # Parquet, of Spark and Dask


@dataclass(frozen=True)
class InputFile:
    """A Parquet file, and the columns that are in the names of its folders, as in variant=A/part-0.parquet."""

    path: Path
    partitions: Mapping[str, str | None]


@dataclass(frozen=True)
class InputFiles:
    """The files of an input in the order of their paths, and the names of what lies beside them and is not Parquet.

    Partitions are the folders below `root`: the folder that was given or that holds the file, or the part of a glob
    before its first wildcard.
    """

    root: Path
    files: tuple[InputFile, ...]
    left_out: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(file.path for file in self.files)

    @property
    def first_left_out(self) -> tuple[str, ...]:
        return self.left_out[:MOST_LISTED]

    def left_out_in_words(self) -> str:
        """Such as '7: a.csv, b.csv, c.csv, d.csv, e.csv and 2 more'; empty if no file was left out."""
        return f"{count(len(self.left_out))}: {first_of(self.left_out)}" if self.left_out else ""


def input_files(source: Path) -> InputFiles:
    """The Parquet files behind a path: the file itself, all beneath a folder, or those that a glob matches.

    In a folder, names that start with a dot or an underscore are left out: by convention they are drafts and logs of
    the writer. Raises InputRefused if no Parquet file is found, or for a folder that can't be read as files alone: that
    of a table (Delta, Hudi, Iceberg and others), or of a job that has not ended.
    """
    try:
        search = _search(source)
        _refuse_tables_and_unfinished_output(search.folders | {path.resolve().parent for path in search.files})
    except (OSError, re.error) as error:  # a name too long, a folder that may not be entered, [z-a]
        why = error.strerror if isinstance(error, OSError) else "not a valid pattern"
        raise InputRefused(f"{source}: can't be searched ({why}); give a file, a folder or a quoted glob") from None
    found = InputFiles(
        search.root,
        tuple(InputFile(path, _partitions(path, search.root)) for path in sorted(search.files)),
        tuple(mask_in_text(printable(str(path.relative_to(search.root)))) for path in sorted(search.left_out)),
    )
    if not found.files:
        others = f" (left out: {found.left_out_in_words()})" if found.left_out else ""
        raise InputRefused(f"{source}: no Parquet file there{others}; give a file, a folder or a quoted glob")
    return found


def input_state(found: InputFiles) -> list[tuple[int, int, int]]:
    """Inode, size and time of each file, to notice a change while it is read; files that are missing are left out."""
    stats = [path.stat() for path in found.paths if path.is_file()]
    return [(stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in stats]


def input_sha256s(found: InputFiles, *, content: str | None, template_id: str | None) -> list[str]:
    """Hashes of an input: of the files' bytes and partitions, and of the text or template for all.

    The first is the input's. The others are those that earlier versions may have given it: they took the partitions
    from the whole path as it was spelled. Raises InputRefused for a file that can't be read.
    """
    digests = [_digest(path) for path in found.paths]
    spellings: list[list[Mapping[str, str | None]]] = [[file.partitions for file in found.files]]
    spellings += [
        [_partitions(path.absolute(), start) for path in found.paths] for start in found.root.absolute().parents
    ]
    hashes = []
    for partitions in spellings:
        whole = hashlib.sha256(repr((content, template_id)).encode())
        for digest, columns in zip(digests, partitions, strict=True):
            whole.update(digest + repr(columns).encode())
        hashes.append(whole.hexdigest())
    return hashes


@dataclass(frozen=True)
class _Search:
    """Parquet files behind a path, the folders that were searched, and the rest that was found."""

    root: Path
    files: set[Path]
    folders: set[Path]
    left_out: set[Path]


def _search(source: Path) -> _Search:
    if source.is_dir():
        return _search_folder(source)
    if source.is_file():
        return _Search(source.parent, {source}, {source.parent}, set())
    return _search_glob(source)


def _search_folder(root: Path) -> _Search:
    search = _Search(root, set(), set(), set())
    for name, folders, files in os.walk(root, onerror=_raise):
        folder = Path(name)
        search.folders.add(folder)
        _refuse_drafts(folder, files)
        search.left_out.update(_hidden_parquet(folder, folders, files))
        folders[:] = [name for name in folders if not _is_hidden(name)]
        links = [name for name in folders if (folder / name).is_symlink()]  # not followed: they may lead in a circle
        search.left_out.update(folder / name for name in links)
        for path in (folder / name for name in files if not _is_hidden(name)):
            (search.files if _is_parquet(path) else search.left_out).add(path)
    return search


def _search_glob(pattern: Path) -> _Search:
    """All that the pattern matches; its first folders are taken as they are, if there are such, also data [2026]."""
    parts = pattern.parts
    depth = max(number for number in range(len(parts)) if Path(*parts[:number]).is_dir())
    root = Path(*parts[:depth])
    matches = {Path(name) for name in glob(str(Path(escape(str(root)), *parts[depth:])), recursive=True)}  # noqa: PTH207
    found = {path.resolve(): path for path in sorted(matches, reverse=True) if path.is_file()}  # ** follows links
    files = set(found.values())
    folders = {folder for path in files for folder in path.parents}
    return _Search(root, files, {path.parent for path in files}, {path for path in matches if path.is_dir()} - folders)


def _raise(error: OSError) -> None:
    raise error


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "_"))


def _hidden_parquet(folder: Path, folders: Iterable[str], files: Iterable[str]) -> Iterator[Path]:
    """The hidden files in a folder that are Parquet with rows, and the hidden folders that hold such."""
    for path in (folder / name for name in files if _is_hidden(name) and name not in _WITHOUT_ROWS):
        if _is_parquet(path):
            yield path
    for path in (folder / name for name in folders if _is_hidden(name)):
        if any(map(_is_parquet, path.rglob("*"))):
            yield path


def _refuse_drafts(folder: Path, names: Iterable[str]) -> None:
    """Raises InputRefused for a Parquet file, hidden or not, that is being written by its name."""
    for name in sorted(names):
        if _DRAFT.search(name) and (_is_parquet(folder / name) or any(ending in name.lower() for ending in _ENDINGS)):
            shown = mask_in_text(printable(name))
            raise InputRefused(
                f"{folder}: has a file {shown}, which is being written or was left by a job that died; wait for it, or"
                " take the file away"
            )


def _is_parquet(path: Path) -> bool:
    """True for a file that begins as Parquet does; also for one that is named so, to be refused when it is read."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) in _MAGIC or path.suffix.lower() in _ENDINGS


def _refuse_tables_and_unfinished_output(folders: Iterable[Path]) -> None:
    """Raises InputRefused if one of the folders, or a folder above one, is no plain folder of files."""
    resolved = {folder.resolve() for folder in folders}
    for folder in sorted(resolved.union(*(folder.parents for folder in resolved))):
        for mark, kind in _TABLES.items():
            if any(folder.glob(mark)):
                raise InputRefused(
                    f"{folder}: is {kind}, whose files also hold rows that were deleted or replaced; read it with what"
                    " wrote it, export the rows to Parquet files elsewhere, then give those"
                )
        if left := next((path.name for pattern in _UNFINISHED for path in folder.glob(pattern)), None):
            raise InputRefused(
                f"{folder}: has a folder {left}, so the job that writes here has not ended or died; write the files"
                f" again, or remove {left} if they are complete"
            )
        started = {path.name.removeprefix(_STARTED) for path in folder.glob(f"{_STARTED}*")}
        if started - {path.name.removeprefix(_COMMITTED) for path in folder.glob(f"{_COMMITTED}*")}:
            raise InputRefused(
                f"{folder}: has a file {_STARTED}… without its {_COMMITTED}…, so a job of Databricks has not ended or"
                " died; write the files again elsewhere, then give those"
            )


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError as error:
        raise InputRefused(f"{path}: can't be read ({error.strerror}); make it readable, then try again") from None


def _partitions(path: Path, root: Path) -> dict[str, str | None]:
    """The columns in the names of the folders between `root` and the file."""
    pairs = (part.split("=", 1) for part in path.relative_to(root).parent.parts if "=" in part)
    return {unquote(name): None if value == _HIVE_NULL else unquote(value) for name, value in pairs}

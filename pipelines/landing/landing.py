"""The landing: raw bytes to disk and back, before anything interprets them."""

import json
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from pipelines.errors import UsageError
from pipelines.files import remove_drafts, secret_kept_in, sync_folder, write_whole
from pipelines.landing.bucket import Bucket
from pipelines.landing.calls import Call, Calls
from pipelines.landing.campaigns import Campaigns
from pipelines.landing.data_folder import check_path
from pipelines.landing.dated_names import instant_of
from pipelines.landing.header import with_header
from pipelines.landing.imports import Import, Imports
from pipelines.landing.pending_calls import PendingCalls
from pipelines.landing.segments.folder import SegmentFolder
from pipelines.landing.sharing import ERASED_IN_PUBLISHED, ERASED_IN_WAREHOUSE, Sharing
from pipelines.landing.suppressions import SuppressionLists
from pipelines.ownership import check_owner
from pipelines.settings import Settings

MOVED: Final = "moved-journal.sqlite"


@dataclass(frozen=True)
class Landing:
    """The folder of raw bytes beneath `root`.

        campaigns/<id>/plan.parquet             the plan of a campaign
        campaigns/<id>/high_water               the last batch and position that may have left
        campaigns/<id>/lock                     held by the one process that plans or sends the campaign
        campaigns/<id>/purged.json              when the campaign was purged, and its final figures; its plan is gone
        journal.sqlite                          every event of every batch
        <kind>/<day>/<time>-<number>.call       a call of the gateway and its answer; kinds: reports, replies, balance
        pending/<kind>-<time>-<process>.call    the mark of a call whose answer has not landed yet
        pending/lock                            shared by all processes that call the gateway
        imports/<day>/<time>-<hash>.import      a file exported from the vendor's console
        pushes/<day>/<time>-<process>.segment   pushes, one after the other; segments/ describes the format
        pushes/<day>.zip                        the segments of a day that is over
        pushes/loaded, pushes/lock              notes of segments/
        refused/<day>/<time>-<process>.segment  pushes that were not taken, for the operator to look at
        suppressions/<time>-<name>.parquet      a suppression list: phone, reason, since_at
        numbers.key                             the secret that the numbers of messages and batches derive from
        phone_hash.key                          the key of the published phone hash
        forgetting.json                         during an erasure: the tombstone that replaces the person
        purging.json                            during a purge: the instant before which everything goes

    Days and times are UTC, so that names sort by time; a file's name is its path beneath `root`. A `.call` or `.import`
    file is a header, one line of JSON, and the body byte for byte as received (empty if no answer came). Nothing here
    decodes a body. Only marks are ever changed or removed, unless a person is erased or old data is purged. Where
    machines share their landings a few more are here, see sharing.py.
    """

    root: Path
    database: str | None = field(default=None, repr=False)  # has the journal, where several machines share one
    bucket: str | None = None  # has the files of all machines then

    @property
    def sharing(self) -> Sharing | None:
        """The sharing of landings by several machines; None on one machine."""
        return _sharing(self.root, self.bucket) if self.bucket else None

    def catch_up(self, folder: str = "") -> None:
        """Bring here what other machines landed, and put in the bucket what is new here, in all or in one folder."""
        if self.sharing:
            self.sharing.catch_up(folder)

    def put(self, name: str) -> None:
        """Put a file in the bucket on which the sending depends, before anything relies on it."""
        if self.sharing:
            self.sharing.put(name)

    def put_new(self, folder: str = "") -> None:
        """Put in the bucket what is new here, in all or in one folder."""
        if self.sharing:
            self.sharing.put_new(folder)

    def put_all(self) -> int:
        """Put all files in the bucket that machines share, and return how many are there."""
        if not self.sharing:
            return 0
        self.sharing.catch_up()
        return self.sharing.file_count()

    @property
    def moved_path(self) -> Path:
        """The journal of an installation that was taken over into a shared one."""
        return self.root / MOVED

    def mark_moved(self) -> None:
        """Let nothing be sent from the journal here any more: it goes on in the shared one."""
        self.journal_path.rename(self.moved_path)
        sync_folder(self.root)

    def put_changes(self) -> None:
        """Change and remove in the bucket what was changed and removed here, see `Sharing.put_changes`."""
        if self.sharing:
            self.sharing.put_changes()

    @property
    def erased_in_warehouse(self) -> Path:
        """The mark that the warehouse still has what another machine erased or purged."""
        return self.root / ERASED_IN_WAREHOUSE

    @property
    def erased_in_published(self) -> Path:
        """The same of the published copies."""
        return self.root / ERASED_IN_PUBLISHED

    def refuse_versions(self) -> None:
        """Raise UsageError if the bucket keeps what is changed or removed: nobody could be erased."""
        if self.sharing and self.sharing.bucket.keeps_versions():
            raise UsageError(
                f"the bucket {self.bucket} keeps old versions, so nothing can be erased there; switch versioning off,"
                " remove the old versions, then run the same command again"
            )

    @property
    def machine(self) -> int:
        """The number of this machine in the names of files that several machines land; 0 on one machine."""
        if not self.bucket:
            return 0
        path = self.root / "machine"
        if not path.exists():
            with suppress(FileExistsError):  # another process made it first
                write_whole(path, str(10**8 + secrets.randbelow(9 * 10**8)).encode(), overwrite=False)
        return int(path.read_text())

    @property
    def campaigns(self) -> Campaigns:
        return Campaigns(self.root / "campaigns")

    @property
    def journal_path(self) -> Path:
        return self.root / "journal.sqlite"

    @property
    def journal(self) -> Path | str:
        """Where the journal is: its file, or the address of the database that has it."""
        return self.database or self.journal_path

    @property
    def journal_name(self) -> str:
        """The name under which the journal is loaded, wherever it is."""
        return self.name(self.journal_path)

    @property
    def calls(self) -> Calls:
        return Calls(self.root, self.machine * 1000)

    @property
    def pending_calls(self) -> PendingCalls:
        return PendingCalls(self.calls)

    @property
    def imports(self) -> Imports:
        return Imports(self.root)

    @property
    def pushes(self) -> SegmentFolder:
        return SegmentFolder(self.root / "pushes", self.machine)

    @property
    def refused(self) -> SegmentFolder:
        return SegmentFolder(self.root / "refused", self.machine)

    @property
    def suppressions(self) -> SuppressionLists:
        return SuppressionLists(self.root)

    def path(self, name: str) -> Path:
        """The path of a landed file."""
        return self.root / name

    def name(self, path: Path) -> str:
        """The name of a landed file: its path beneath `root`."""
        return path.relative_to(self.root).as_posix()

    def phone_hash_key(self) -> str:
        """The key of the published phone hash, 64 hex digits, made at first use and kept for good."""
        return self._secret("phone_hash.key")

    @property
    def number_key_path(self) -> Path:
        return self.root / "numbers.key"

    def number_key(self) -> str:
        """The secret that keys of campaigns derive from, 64 hex digits, made with the first plan and kept for good."""
        return self._secret(self.number_key_path.name)

    def _secret(self, name: str) -> str:
        if self.sharing and not (self.root / name).exists():
            self.sharing.secret(name)
        return secret_kept_in(self.root / name)

    def choose_number_key(self, secret: str) -> None:
        """Keep this secret instead, where what a sandbox does with each number is to be the same every time."""
        write_whole(self.number_key_path, secret.encode(), overwrite=False)

    def remove_drafts(self, *, without: Iterable[str] = ()) -> None:
        """Remove what killed processes left unfinished, an hour ago or earlier; not in the folders of `without`."""
        remove_drafts(self.root, without=(f"{self.root}/{name}" for name in without))

    # Erasing a person and purging old data, which alone change what has landed

    def rewrite(self, name: str, landed: Call | Import | bytes) -> None:
        """Replace a call, an import or a suppression list."""
        write_whole(self.path(name), landed if isinstance(landed, bytes) else with_header(landed), overwrite=True)

    def remove(self, name: str) -> None:
        """Remove a call or an import, and the folder of its day if that is empty then."""
        path = self.path(name)
        path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()

    @property
    def forgetting_path(self) -> Path:
        return self.root / "forgetting.json"

    def note_forgetting(self, note: bytes) -> None:
        """Note how a person is being erased, so that an interrupted erasure can go on."""
        write_whole(self.forgetting_path, note, overwrite=True)

    @property
    def purging_path(self) -> Path:
        return self.root / "purging.json"

    def note_purging(self, before: datetime) -> None:
        """Note the instant before which all goes, so that an interrupted purge can go on."""
        write_whole(self.purging_path, json.dumps({"before": before.isoformat()}).encode(), overwrite=True)

    def purging_before(self) -> datetime | None:
        """The instant of a purge that is under way or was interrupted, else None."""
        if not self.purging_path.exists():
            return None
        return datetime.fromisoformat(json.loads(self.purging_path.read_text())["before"])


def landing_of(settings: Settings) -> Landing:
    """The landing of an installation.

    Raises UsageError if its data folder has a path that can't be used, or if other users can change it.
    """
    check_path(settings.data_dir)
    if settings.data_dir.exists():
        check_owner(settings.data_dir)
    shared = settings.shared
    if shared.bucket and not shared.database.get_secret_value():
        raise UsageError("shared.bucket needs shared.database: machines that share plans share a journal; set both")
    if not shared.database.get_secret_value() and (settings.landing_folder / MOVED).exists():
        raise UsageError(
            f"{settings.data_dir} was taken over into a shared installation; set shared.database and shared.bucket"
        )
    return Landing(settings.landing_folder, shared.database.get_secret_value() or None, shared.bucket or None)


@lru_cache(maxsize=4)
def _sharing(root: Path, bucket: str) -> Sharing:
    return Sharing(root, Bucket(bucket))


def landed_at(name: str) -> datetime | None:
    """When a call was made or an import landed, as its name says; None for a file that is named otherwise."""
    try:
        return instant_of(name)
    except ValueError:
        return None

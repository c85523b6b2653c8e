"""Taking an embedded installation over into a shared one: its journal into the database, its landing into the bucket.

It can be run again after an interruption. At its end the old installation is marked as moved, and sends nothing more.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.campaign.high_water import refuse_older_journal
from pipelines.campaign.holding import exclusive_lock
from pipelines.campaign.journal.journal import Journal
from pipelines.errors import BooksError, UsageError
from pipelines.landing.landing import Landing
from pipelines.progress import Progress, no_progress
from pipelines.settings import Settings


@dataclass(frozen=True)
class ImportedInstallation:
    """Counts of what was taken over: campaigns and events of the journal, files of the landing."""

    campaign_count: int
    event_count: int
    file_count: int


def import_installation(
    data_dir: Path, *, settings: Settings, progress: Progress = no_progress
) -> ImportedInstallation:
    """Take over the embedded installation in `data_dir`, which may be the data folder of this machine.

    Raises UsageError if there is no such installation, or the shared one has other campaigns; CampaignBusy if a
    campaign is being sent; BooksError if its journal is not the newest one, or a copy is not equal.
    """
    shared = settings.shared
    if not (shared.bucket and shared.database.get_secret_value()):
        raise UsageError("set shared.bucket and shared.database first; 'smsrecon init --shared' shows how")
    old = Landing(data_dir / "landing")
    if not old.journal_path.exists():
        if old.moved_path.exists():
            raise UsageError(f"{data_dir} was taken over already")
        raise UsageError(f"{old.journal_path} does not exist; give the data folder of an installation")
    new = replace(old, database=shared.database.get_secret_value(), bucket=shared.bucket)
    new.refuse_versions()
    with exclusive_lock(old):
        refuse_older_journal(old)
        with Journal.open(old.journal) as journal, Journal.open(new.journal) as copy:
            progress("copying the journal")
            if {*copy.campaign_keys()} - {*journal.campaign_keys()}:
                raise UsageError("the journal of shared.database has other campaigns; give an empty database")
            journal.copy_to(copy)
            campaigns = journal.campaigns()
            if (campaigns, journal.last_event_id()) != (copy.campaigns(), copy.last_event_id()) or any(
                journal.batches(each.campaign_id) != copy.batches(each.campaign_id) for each in campaigns
            ):
                raise BooksError("the journal in shared.database is not equal; run the same command again")
            event_count = journal.event_count()
        progress("putting the landing in the bucket")
        for folder in (old.pushes, old.refused):
            folder.unpack()
        file_count = new.put_all()
        old.mark_moved()
    return ImportedInstallation(len(campaigns), event_count, file_count)

"""Artifacts of a run in the Prefect UI: a progress bar, a table of the books, a page for each campaign, links to files.

No artifact holds a phone or a text. An artifact that can't be written is logged and does not fail the run: the work
itself was done.
"""

import contextvars
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
)
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.logging import get_run_logger

from pipelines.alerts.findings import Finding
from pipelines.console.audit import differences_as_rows
from pipelines.console.campaign_page import campaign_as_markdown, overview_as_rows
from pipelines.operations.audit import AuditSummary
from pipelines.review.status import read_campaign_status, read_overview
from pipelines.settings import PUBLISHED_DATABASE, Settings

if TYPE_CHECKING:
    from pipelines.campaign import sender

UPDATE_SECONDS = 2.0


class ProgressArtifact:
    """Progress callback that updates a progress artifact in a thread, so that the work never waits for the server."""

    def __init__(self, doing: str) -> None:
        self._share, self._doing = 0.0, doing
        self._is_done = threading.Event()
        self._thread = threading.Thread(target=contextvars.copy_context().run, args=(self._keep_updated,), daemon=True)

    def __enter__(self) -> "ProgressArtifact":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_done.set()
        self._thread.join(timeout=10)

    def __call__(self, doing: str, share: float | None = None, /) -> None:
        """Show what is being done; without a share the bar stays where it is."""
        self._doing = doing
        if share is not None:
            self._share = share

    def show_sending(self, progress: "sender.SendProgress") -> None:
        """Show how many messages of a campaign are done."""
        share = progress.done / progress.total if progress.total else 1.0
        self(f"{progress.done:,} of {progress.total:,} messages, {share:.0%}", share)

    def _keep_updated(self) -> None:
        with _failures_logged("the progress"), get_client(sync_client=True) as client:
            artifact = cast(UUID, create_progress_artifact(0.0, description=self._doing))
            is_done = False
            while not is_done:
                is_done = self._is_done.wait(UPDATE_SECONDS)
                update = ArtifactUpdate(data=round(100 * self._share, 1), description=self._doing)
                client.update_artifact(artifact, update)


def show_books(settings: Settings, findings: list[Finding], *, as_of: datetime) -> None:
    """Create the table of all campaigns, a page for each that can still change, and links to the published files."""
    with _failures_logged("the books"):
        overview = read_overview(settings, as_of=as_of, findings=findings)
        create_table_artifact(overview_as_rows(overview), key="books", description="All campaigns")
        live_since = as_of - timedelta(hours=settings.policy.report_window_hours + 24)
        for books in overview.campaigns:
            if not books.is_mature or (books.last_submitted_at and books.last_submitted_at >= live_since):
                figures = read_campaign_status(settings, books.campaign_id, as_of=as_of, findings=findings)
                page = campaign_as_markdown(figures)
                show_page(f"campaign-{books.campaign_id}", page, f"The books of {books.campaign_id}")
        published = settings.published_folder.absolute()
        for key, name, what in (
            ("published-database", PUBLISHED_DATABASE, "Published tables, on the machine that wrote them"),
            ("published-messages", "messages", "All messages as Parquet, on the machine that wrote them"),
        ):
            path = published / name
            create_link_artifact(path.as_uri(), link_text=str(path), key=key, description=what)


def show_audit(summary: AuditSummary) -> None:
    """Create the table of the differences that an audit found."""
    with _failures_logged("the audit"):
        create_table_artifact(differences_as_rows(summary), key="audit", description="Tables that differ")


def show_page(key: str, markdown: str, description: str) -> None:
    with _failures_logged("a page"):
        create_markdown_artifact(markdown, key=key, description=description)


@contextmanager
def _failures_logged(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001  whatever the server's reason is
        get_run_logger().warning("%s could not be shown (%s)", what, type(error).__name__)

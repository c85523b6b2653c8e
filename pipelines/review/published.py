"""A campaign's books as they are published: the same page as that of books.py, from the analysts' copy."""

from pipelines.alerts.findings import Finding
from pipelines.errors import BooksError
from pipelines.review.books import (
    BATCH_STATES,
    CampaignReport,
    CodeLine,
    ExceptionLine,
    ReasonLine,
    RefusalLine,
    book_of,
)
from pipelines.review.figures import CampaignFigures


def report_of(figures: CampaignFigures) -> CampaignReport:
    """The books and what explains them. Why a campaign is paused is not published, only that it is."""
    batch_count, message_count = figures.proven.row(0)
    published = {
        "file_row_count": figures.delivery["row_count"],
        "proven_batch_count": batch_count,
        "proven_message_count": message_count,
    }
    findings = [] if figures.is_balanced else [_unbalanced(figures.campaign_id)]
    return CampaignReport(
        books=book_of(
            figures.delivery | published,
            figures.as_of,
            batches={**dict.fromkeys(BATCH_STATES, 0), **dict(figures.batch_states.iter_rows())},
            paused_reason="sending rests" if figures.delivery["is_paused"] else None,
            is_sound=not findings,
        ),
        reasons=[ReasonLine(*row) for row in figures.reasons.iter_rows()],
        codes=[
            CodeLine(*row)
            for row in figures.codes.select(
                "code", "message_count", "of_failed_rate", "meaning", "whose_move", "what_to_do"
            ).iter_rows()
        ],
        refusals=[
            RefusalLine(*row) for row in figures.refusals.select("error_code", "refused_count", "meaning").iter_rows()
        ],
        exceptions=[ExceptionLine(*row) for row in figures.exceptions.iter_rows()],
        findings=findings,
    )


def _unbalanced(campaign_id: str) -> Finding:
    error = BooksError(f"the published books of {campaign_id} do not balance; see 'smsrecon status {campaign_id}'")
    return Finding.of("check_failed", error)

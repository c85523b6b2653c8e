"""The charts of one campaign: each function draws one, from the campaign's figures to a picture with a title.

The title says what the chart shows, with its numbers.
"""

from pipelines.review.campaign_charts.breakdowns import carriers, owner, provinces
from pipelines.review.campaign_charts.failures import codes, responsible_parties
from pipelines.review.campaign_charts.outcome import books, rates
from pipelines.review.campaign_charts.timing import latency, replies, sending

__all__ = [
    "books",
    "carriers",
    "codes",
    "latency",
    "owner",
    "provinces",
    "rates",
    "replies",
    "responsible_parties",
    "sending",
]

"""Messages of a plan that must not be sent any more, since their phones were put on a list after planning."""

from bisect import bisect_left
from pathlib import Path
from time import monotonic
from typing import Final

from pipelines.campaign.plan import PlanFile
from pipelines.campaign.suppressions import suppressed_phones
from pipelines.landing.landing import Landing

SECONDS_BETWEEN: Final = 10.0  # looks at the lists that other machines land


class LateSuppressions:
    """The messages of a plan whose phones are on a list now; reads the lists again whenever a file was added."""

    def __init__(self, landing: Landing, plan: PlanFile, *, accept_unreadable: bool = False) -> None:
        self._landing = landing
        self._plan = plan
        self._accept_unreadable = accept_unreadable
        self._caught_up_at = 0.0
        self._files: list[Path] = []
        self._listed: list[tuple[int, str]] = []

    def within(self, first: int, last: int) -> list[tuple[int, int, str]]:
        """(first position, last position, reason) of the messages between these positions that must not be sent."""
        if monotonic() > self._caught_up_at + SECONDS_BETWEEN:
            self._landing.catch_up("suppressions")
            self._caught_up_at = monotonic()
        files = self._landing.suppressions.files()
        if files != self._files:
            listed = suppressed_phones(self._landing, accept_unreadable=self._accept_unreadable)
            self._listed = self._plan.listed(listed)
            self._files = files
        start, end = bisect_left(self._listed, (first,)), bisect_left(self._listed, (last + 1,))
        runs: list[tuple[int, int, str]] = []
        for position, reason in self._listed[start:end]:
            if runs and runs[-1][1:] == (position - 1, reason):
                runs[-1] = (runs[-1][0], position, reason)
            else:
                runs.append((position, position, reason))
        return runs

"""Distribution of the tests among processes: what shares a fixture runs in one, and what takes longest begins first."""

from typing import Final

from xdist.scheduler import LoadScopeScheduling

from tests.support.depth import kind_of

# Kinds whose files share servers, apps or campaigns, so that each of these is started once; by the first of the kinds.
_TOGETHER: Final = {"browser": "browser", "notebooks": "browser", "flows": "flows", "shared": "shared"}

# Kinds whose tests are long and share nothing: each is given to whichever process is free.
_APART: Final = {"crash", "property"}

_LONGEST_FIRST: Final = ("flows", "crash", "browser", "notebooks", "cli", "books", "receive", "property")


class ByFile(LoadScopeScheduling):
    """All tests of a file in one process, or those of whole kinds in _TOGETHER, or each alone in _APART.

    The group marks of pytest-xdist 3.8 have no effect under pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        kind = kind_of(nodeid)
        if kind in _TOGETHER:
            return _TOGETHER[kind]
        return nodeid if kind in _APART else nodeid.partition("::")[0]


def rank(nodeid: str) -> int:
    """Place of a test's kind in the order of running."""
    kind = kind_of(nodeid)
    return _LONGEST_FIRST.index(kind) if kind in _LONGEST_FIRST else len(_LONGEST_FIRST)

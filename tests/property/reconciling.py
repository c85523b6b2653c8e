"""Reconciles a folder in a process of its own, as of the instant of `touches`, and compares with a full run.

A process reads sql/ once, so the tests that change a file there start this one with another copy of it.
"""

import sys
from pathlib import Path

from tests.property.increments import assert_as_in_full, reconcile
from tests.property.landed import Landed
from tests.property.touches import CLOSING

if __name__ == "__main__":
    place = Landed(Path(sys.argv[1]))
    assert_as_in_full(place, CLOSING, reconcile(place.warehouse, CLOSING))

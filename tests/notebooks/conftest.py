"""Five campaigns, published once for all tests that only look at them."""

import pytest

from tests.support.history import Place


@pytest.fixture(scope="session")
def place(history: Place) -> Place:
    return history

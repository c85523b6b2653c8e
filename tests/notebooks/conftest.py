"""Five campaigns, published once for all tests that only look at them."""

import pytest

from tests.support.history import Place, sent_history


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return sent_history(tmp_path_factory.mktemp("history"))

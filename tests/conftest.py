"""What holds for all tests."""

import signal

import pytest

pytest.register_assert_rewrite("tests.support")

# Where tests are run in the background, Ctrl-C is ignored, and all they start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

"""What holds for all tests."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Take Ctrl-C as a terminal would send it.

    A shell starts its background jobs with SIGINT ignored, as CI may start us, and an ignored signal is inherited:
    the commands under test would never end. A handled one isn't.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)

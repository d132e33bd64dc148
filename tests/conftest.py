"""What holds for all tests."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings


def pytest_configure() -> None:
    """Take Ctrl-C as a terminal would send it.

    A shell starts its background jobs with SIGINT ignored, as CI may start us, and an ignored signal is inherited:
    the commands under test would never end. A handled one isn't.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # How long an example takes says how busy the machine is: it is no finding.
    settings.register_profile(
        "untimed", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("untimed")

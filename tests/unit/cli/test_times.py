"""Times as people type them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.cli.times import parse_time
from monitor.errors import Misconfigured

NOW = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", NOW),
        ("15m", datetime(2026, 5, 4, 12, 15, tzinfo=UTC)),
        ("15 min ago", datetime(2026, 5, 4, 12, 15, tzinfo=UTC)),
        ("90s", datetime(2026, 5, 4, 12, 28, 30, tzinfo=UTC)),
        ("2H", datetime(2026, 5, 4, 10, 30, tzinfo=UTC)),
        ("3d", datetime(2026, 5, 1, 12, 30, tzinfo=UTC)),
        ("1w", datetime(2026, 4, 27, 12, 30, tzinfo=UTC)),
        ("today", datetime(2026, 5, 4, tzinfo=UTC)),
        ("yesterday", datetime(2026, 5, 3, tzinfo=UTC)),
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
        ("2026-05-01T10:30Z", datetime(2026, 5, 1, 10, 30, tzinfo=UTC)),
        ("2026-05-01 10:30+02:00", datetime(2026, 5, 1, 8, 30, tzinfo=UTC)),
        ("999999999w", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_as_it_is_meant(text: str, moment: datetime) -> None:
    assert parse_time(text, NOW, option="--since") == moment


@pytest.mark.parametrize(
    "text", ["", "soon", "15", "15x", "2026-13-01", "1969-12-31", "٣d", "0001-01-01T00:00+14:00"]
)
def test_what_is_no_time_is_refused_with_its_option_and_the_spelling(text: str) -> None:
    with pytest.raises(Misconfigured, match=r"(?s)--since.*15m, 2h, 3d"):
        parse_time(text, NOW, option="--since")


@given(st.text())
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        moment = parse_time(text, NOW, option="--until")
    except Misconfigured:
        return
    assert moment.tzinfo is UTC

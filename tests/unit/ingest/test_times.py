from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.ingest.times import to_utc

MOMENT = datetime(2025, 3, 10, 1, 25, 52, 123456, tzinfo=UTC)
WHOLE = MOMENT.replace(microsecond=0)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1741569952, WHOLE),
        (1741569952.123456, MOMENT),
        (1741569952123, MOMENT.replace(microsecond=123000)),
        (1741569952123456, MOMENT),
        (1741569952123456789, MOMENT),
        ("1741569952", WHOLE),
        ("1741569952123456789", MOMENT),
        ("1741569952.123456", MOMENT),
        ("2025-03-10T01:25:52Z", WHOLE),
        ("2025-03-10t01:25:52z", WHOLE),
        ("2025-03-10 01:25:52", WHOLE),
        ("2025-03-10T01:25:52.123456Z", MOMENT),
        ("2025-03-10T01:25:52.123456789Z", MOMENT),
        ("2025-03-10T02:25:52+01:00", WHOLE),
        (" 2025-03-10T01:25:52Z ", WHOLE),
        ("2025-03-10", datetime(2025, 3, 10, tzinfo=UTC)),
        ("2025-03-10T01:25:60Z", None),
        ("2025-02-30T00:00:00Z", None),
        ("nan", None),
        ("inf", None),
        ("-", None),
        ("٣", None),
        (float("inf"), None),
        (float("nan"), None),
        (10**400, None),
        (None, None),
        (False, None),
        (b"2025", None),
    ],
)
def test_a_time_of_any_spelling_is_read_as_utc(value: Any, moment: datetime | None) -> None:
    assert to_utc(value) == moment


@given(st.one_of(st.integers(), st.floats(), st.text(), st.datetimes().map(str), st.binary(), st.none()))
def test_any_value_is_a_time_between_1900_and_2299_or_none(value: Any) -> None:
    moment = to_utc(value)
    assert moment is None or (moment.tzinfo is UTC and 1900 <= moment.year <= 2299)


@given(st.integers(31_536_000, 10_413_791_999))
def test_every_unit_of_the_epoch_names_the_same_second_from_1971_on(second: int) -> None:
    moment = to_utc(second)
    assert moment is not None
    assert moment.timestamp() == second
    assert [to_utc(second * unit) for unit in (1_000, 1_000_000, 1_000_000_000)] == [moment] * 3

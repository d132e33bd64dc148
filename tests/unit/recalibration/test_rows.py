"""Verified calibrations are rows with every column; what isn't signed is none."""

from __future__ import annotations

import msgspec
import pytest

from monitor.errors import Rejected
from monitor.recalibration.rows import calibration_row
from monitor.recalibration.signing import sign, verify
from monitor.store import tables_doc
from schemas.calibrations import Calibration
from tests.unit.recalibration.calibrations import a_calibration

SECRETS = {"k1": b"s" * 16}
(COLUMNS,) = ([column for column in table.columns if not column.is_computed] for table in tables_doc.tables() if table.name == "calibration_rows")  # fmt: skip
BARE = msgspec.structs.replace(a_calibration(), before=None, text=None)
NAMED = msgspec.structs.replace(a_calibration(), model="a\x00'\n☃")


@pytest.mark.parametrize("calibration", [a_calibration(), BARE, NAMED])
def test_a_calibration_is_a_row_with_every_column(calibration: Calibration) -> None:
    value = sign(calibration, "k1", SECRETS["k1"]).to_bytes()
    row = msgspec.json.decode(
        calibration_row(value, SECRETS, partition=0, offset=3, timestamp_ms=1_700_000_000_123)
    )
    assert set(row) == {column.name for column in COLUMNS}
    assert (row["model"], row["state_rank"], row["outcome"], row["log_offset"]) == (
        calibration.model,
        1,
        "",
        3,
    )
    assert verify(row["signed"].encode(), SECRETS) == calibration


@pytest.mark.parametrize("value", [b"", b"{}", b"\xff", sign(BARE, "k1", b"x" * 16).to_bytes(), sign(BARE, "k2", b"s" * 16).to_bytes()])  # fmt: skip
def test_what_isnt_signed_by_one_of_us_is_no_row(value: bytes) -> None:
    with pytest.raises(Rejected):
        calibration_row(value, SECRETS, partition=0, offset=0, timestamp_ms=0)

"""What the check of audits concludes."""

from __future__ import annotations

from pathlib import Path

from monitor.checking.audits import audit_checks
from monitor.checking.outcomes import PartCheck
from monitor.settings import Settings, load
from tests.fakes.probe_server import ProbeServer


def settings_of(address: str, anchor_sets: str = "matched,live") -> Settings:
    return load(
        {
            "WATCHKEEPER_AUDIT__ENABLED": "true",
            "WATCHKEEPER_AUDIT__PROBE_URL": address,
            "WATCHKEEPER_AUDIT__ANCHOR_SETS": anchor_sets,
        }
    )


async def test_nothing_is_asked_where_audits_are_off() -> None:
    assert await audit_checks(load({}), deadline_s=1.0) == []


async def test_a_probe_that_answers_is_named_with_what_it_reads(tmp_path: Path) -> None:
    there = tmp_path / "anchors.jsonl"
    there.write_text("{}\n", encoding="utf-8")
    async with ProbeServer() as server:
        found = await audit_checks(settings_of(server.address, f"matched,{there},{there}x"), deadline_s=5.0)
    assert [(one.check, one.state) for one in found] == [
        ("probe probe", "ok"),
        (f"anchors {there}", "ok"),
        (f"anchors {there}x", "failed"),
    ]
    assert found[0].facts == "probe weights@0123456789ab, 3 layers of 4, mean token, raw, projection none"
    assert found[2].facts == "can't be read here: No such file or directory"


async def test_a_probe_that_is_away_is_told_with_the_next_step() -> None:
    found = await audit_checks(settings_of("127.0.0.1:9"), deadline_s=3.0)
    assert [(one.part, one.check, one.state) for one in found] == [("audits", "probe probe", "failed")]
    assert "WATCHKEEPER_AUDIT__PROBE_URL" in _remedy(found)


def _remedy(found: list[PartCheck]) -> str:
    return found[0].facts + found[0].remedy

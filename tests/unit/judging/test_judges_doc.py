"""docs/judges.md names every reason with its meaning, and the day of the list."""

from __future__ import annotations

from pathlib import Path

from monitor.judging.contacts import AllowList
from monitor.judging.reasons import NotJudged

DOC = (Path(__file__).resolve().parents[3] / "docs" / "judges.md").read_text(encoding="utf-8")


def test_every_reason_is_in_the_document_with_its_meaning() -> None:
    for reason in NotJudged:
        assert f"| `{reason}` | {reason.meaning} |" in DOC, reason


def test_the_document_says_how_many_services_are_listed_and_when_they_were_checked() -> None:
    found = AllowList.load()
    assert f"{len(found.services)} services, checked on {found.checked_on.isoformat()}" in DOC

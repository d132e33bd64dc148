"""The command `dlq`: reasons that a letter can have."""

from __future__ import annotations

import pytest

from monitor.cli.dlq import check_reasons
from monitor.dead_letters import REASONS
from monitor.errors import Misconfigured
from workers import judging, moderation, storage


def test_a_reason_is_one_of_ours_or_one_that_a_letter_has() -> None:
    check_reasons(frozenset(), set())
    check_reasons(frozenset(["no_user_turn", "refused_by_store"]), set())
    check_reasons(frozenset(["of_the_next_version"]), {"of_the_next_version"})
    with pytest.raises(Misconfigured, match=r"'no_user_turm' is no reason .*\n.*did you mean no_user_turn\?"):
        check_reasons(frozenset(["no_user_turm"]), {"tombstone"})


def test_the_reasons_of_the_workers_are_known() -> None:
    theirs = {
        value
        for module in (judging, moderation, storage)
        for name, value in vars(module).items()
        if name in {"INTERNAL_ERROR", "REFUSED_BY_STORE", "TOMBSTONE"} or name.startswith("NOT_A_")
    }
    assert theirs - {"not_a_dead_letter", "not_a_calibration", "not_an_audit"} <= set(REASONS)
    assert len(theirs) > 5

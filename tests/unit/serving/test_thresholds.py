from __future__ import annotations

import logging
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.serving.thresholds import LARGEST_BYTES, NOTHING, InForce, NoRule
from schemas.calibrations import Calibration
from tests.unit.recalibration.logs import AT, thresholds
from tests.unit.serving.serving_parts import FIVE, SECRETS, held, published, served, signed

NEWER: dict[str, Any] = {"version": 4, "at": AT + timedelta(hours=1)}


def test_with_nothing_there_is_no_rule_and_it_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert InForce(served(), SECRETS).standing == NOTHING
    assert "no rule, the model chooses" in caplog.text


def test_the_newest_counts_and_going_back_needs_nothing_else() -> None:
    in_force = InForce(served(), SECRETS)
    old, new = thresholds("single", 0.3), thresholds("single", 0.4)
    assert in_force.offer(signed(published(old)))
    newer = published(new, before=old, before_version=3, **NEWER)
    proposed = msgspec.structs.replace(newer, state="proposed")
    assert in_force.offer(signed(proposed))
    assert (in_force.standing.thresholds, in_force.standing.version) == (old, 3)
    assert in_force.offer(signed(newer))
    assert (in_force.standing.thresholds, in_force.standing.version) == (new, 4)
    assert in_force.offer(signed(msgspec.structs.replace(newer, state="rolled_back")))
    assert (in_force.standing.thresholds, in_force.standing.version) == (old, 3)
    assert not in_force.refused


BAD: dict[str, tuple[bytes, str]] = {
    "forged": (signed(published(**NEWER), secret=b"another secret of 16 bytes"), "bad_signature"),
    "another key": (signed(published(**NEWER), key_id="other"), "unknown_key"),
    "truncated": (signed(published(**NEWER))[:-20], "unreadable"),
    "not JSON": (b"\xff\x00", "unreadable"),
    "empty": (b"", "unreadable"),
    "deep": (b"[" * 100_000, "unreadable"),
    "huge": (signed(published(**NEWER)) + b" " * LARGEST_BYTES, "unreadable"),
    "old": (signed(published(version=2)), "not_newer"),
    "another fleet": (signed(published(fleet="other", **NEWER)), "other_place"),
    "another model": (signed(published(model="other", **NEWER)), "other_place"),
    "T above 1": (signed(published(thresholds("single", 1.5), **NEWER)), "bad_thresholds"),
    "T below 0": (signed(published(thresholds("single", -0.1), **NEWER)), "bad_thresholds"),
    "T below 0 to go back to": (
        signed(published(before=thresholds("single", -0.1), **NEWER)),
        "bad_thresholds",
    ),
    "no selection": (signed(published(thresholds("sum", 0.5, selected=()), **NEWER)), "bad_thresholds"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cant_be_trusted_is_counted_and_changes_nothing(
    name: str, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    in_force = InForce(served(), SECRETS, kept=tmp_path / "kept")
    assert in_force.offer(signed(published()))
    before = in_force.standing
    message, reason = BAD[name]
    caplog.clear()
    assert not in_force.offer(message)
    assert in_force.standing is before
    assert dict(in_force.refused) == {reason: 1}
    assert len(caplog.records) == 1
    assert reason in caplog.text
    assert InForce(served(), SECRETS, kept=tmp_path / "kept").standing == before


def test_the_same_message_again_is_nothing_new() -> None:
    in_force = held(thresholds("single", 0.3))
    assert not in_force.offer(signed(published()))
    assert not in_force.refused


def test_in_a_log_of_all_models_others_and_older_ones_are_passed_over() -> None:
    in_force = InForce(served(), SECRETS)
    other = signed(published(model="other"))
    log = [signed(published(version=version)) for version in (1, 2, 3)]
    forged = BAD["forged"][0]
    assert in_force.catch_up([log[2], other, forged, log[0], log[1]]) == 1
    assert not in_force.hear(other)
    assert (in_force.standing.version, dict(in_force.refused)) == (3, {"bad_signature": 1})
    assert not in_force.hear(log[1])  # that one came after the rest was read: somebody sent it again
    assert in_force.refused["not_newer"] == 1


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"tokenizer_hash": "other"}, NoRule.OTHER_TOKENIZER),
        ({"template_hash": "other"}, NoRule.OTHER_TEMPLATE),
        ({"now": thresholds("single", 0.3, selected=("[unheard of]",))}, NoRule.OTHER_TOKENS),
    ],
)
def test_a_calibration_for_something_else_isnt_applied_and_it_is_said_loudly(
    fields: dict[str, Any], why: NoRule, caplog: pytest.LogCaptureFixture
) -> None:
    in_force = held(thresholds("single", 0.3))
    caplog.clear()
    assert in_force.offer(signed(published(**(NEWER | fields))))
    standing = in_force.standing
    assert (standing.thresholds, standing.why, standing.version) == (None, why, 0)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "NOT applied" in caplog.text


def test_one_that_isnt_published_and_has_none_before_it_means_no_rule() -> None:
    in_force = InForce(served(), SECRETS)
    assert in_force.offer(signed(published(state="proposed")))
    assert (in_force.standing.thresholds, in_force.standing.why) == (None, NoRule.NONE_BEFORE)


def test_a_restart_begins_with_the_last_good_one(tmp_path: Path) -> None:
    kept = tmp_path / "folder" / "kept.json"
    assert InForce(served(), SECRETS, kept=kept).offer(signed(published()))
    assert kept.read_bytes() == signed(published())
    again = InForce(served(), SECRETS, kept=kept)
    assert again.standing.version == 3
    assert not again.offer(signed(published(version=2)))  # also after a compacted topic lost the newest
    assert [path.name for path in kept.parent.iterdir()] == ["kept.json"]


def test_the_same_signed_anew_after_a_change_of_keys_is_what_is_kept(tmp_path: Path) -> None:
    new = {"new": b"n" * 16}
    both = InForce(served(), {**SECRETS, **new}, kept=tmp_path / "kept")
    assert both.offer(signed(published()))
    assert not both.offer(signed(published(), key_id="new", secret=new["new"]))
    assert not both.refused
    assert InForce(served(), new, kept=tmp_path / "kept").standing == both.standing


@pytest.mark.parametrize("content", [b"", b"{", signed(published())[:100], b" " * (LARGEST_BYTES + 1)])
def test_a_kept_file_that_is_bad_is_no_rule_and_no_end(content: bytes, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(content)
    in_force = InForce(served(), SECRETS, kept=kept)
    assert in_force.standing == NOTHING
    assert in_force.offer(signed(published()))


def test_what_cant_be_kept_counts_all_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    in_force = InForce(served(), SECRETS, kept=tmp_path / "file" / "kept")
    assert in_force.offer(signed(published()))
    assert in_force.standing.version == 3
    assert "can't be kept" in caplog.text


def test_readers_and_writers_at_once_see_whole_standings() -> None:
    in_force = InForce(served(FIVE), SECRETS)

    def message(version: int) -> Calibration:
        value = version / 100
        return published(
            thresholds("category", value, selected=FIVE),
            version=version,
            at=AT + timedelta(seconds=version),
        )

    messages = [signed(message(version)) for version in range(1, 60)]
    torn = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            found = in_force.standing
            if found.thresholds is not None and set(found.thresholds.values.values()) != {
                found.version / 100
            }:
                torn.append(found)

    readers = [threading.Thread(target=read) for _ in range(2)]
    writers = [threading.Thread(target=lambda: [in_force.offer(one) for one in messages]) for _ in range(2)]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    ended.set()
    for thread in readers:
        thread.join()
    assert (torn, in_force.standing.version) == ([], 59)

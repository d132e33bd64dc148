"""What a person reads about calibrations, and what a command refuses to do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from benchmarks.calibration.population import SERVING, Population
from monitor.cli.calibrate import curves_of, overview_document
from monitor.cli.calibrate_actions import chosen
from monitor.cli.calibrate_shapes import ProposalDocument
from monitor.cli.calibrate_view import explained, overview, proposal_view
from monitor.cli.calibration_desk import decided_here, held_of, policy_of, required_keys
from monitor.cli.calibration_documents import calibration_document, calibration_line
from monitor.cli.calibration_files import write_plot
from monitor.cli.threshold_plot import threshold_plot
from monitor.errors import Misconfigured
from monitor.recalibration import desk as steps
from monitor.recalibration.desk_settings import desk_of, windows_at
from monitor.recalibration.life import step
from monitor.recalibration.model_policies import ModelPolicy
from monitor.recalibration.pictures import rate_picture
from monitor.recalibration.ports import Distrusted, Held, Logs
from monitor.recalibration.rate_curve import RateCurve
from monitor.recalibration.signing import Distrust
from monitor.settings import Settings, load
from schemas.calibrations import ALL, Calibration, CalibrationState, Outcome, Policy, Thresholds
from schemas.refusal_tokens import REFUSE, RESPOND
from tests.unit.cli.rendering import rendered

AT = datetime(2026, 3, 3, 12, tzinfo=UTC)
SHAPE = Thresholds(rule="single", selected=(REFUSE,), temperature=1.0, values={ALL: 0.5})
HOSTILE = "a<b>\x1b[31m\u202e$x^2$\x00"


def policy(name: str = SERVING.model) -> ModelPolicy:
    return ModelPolicy(
        model=name,
        logged_as=name,
        refusals=(REFUSE,),
        respond=RESPOND,
        tokenizer_hash="any",
        template_hash="any",
        context_turns=0,
        rule="single",
        selected=(REFUSE,),
        temperature=1.0,
        policies={ALL: Policy(target_rate=0.35)},
    )


def logs(seed: int, begins_at: datetime, n: int = 1_000) -> Logs:
    rows = list(Population().logs(n, SHAPE, np.random.default_rng(seed), begins_at=begins_at))
    return Logs(rows[::-1], begins_at, rows[-1].at + timedelta(seconds=1), is_cut=False)


THEN = logs(1, AT - timedelta(hours=8))
NOW = logs(2, AT - timedelta(hours=5))


def proposed() -> Calibration:
    found = steps.propose(desk_of(Settings(), "ada"), policy(), THEN, NOW, None, at=AT)
    assert isinstance(found, Calibration), found
    return found


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return proposed()


@pytest.fixture(scope="module")
def curves(calibration: Calibration) -> Sequence[RateCurve]:
    found, missing = curves_of(calibration, policy(), THEN)
    assert missing == ""
    return found


def test_a_calibration_is_explained_with_its_thresholds_promise_and_curve(
    calibration: Calibration, curves: Sequence[RateCurve]
) -> None:
    document = calibration_document(calibration, curves, needs_person=("no calibration before it",))
    text = rendered(explained(document, curves, 100), 100)
    (part,) = calibration.evidence
    assert f"{part.threshold:.3f}" in text
    assert "wanted 35.0 %" in text
    assert "needs a person: no calibration before it" in text
    assert "watchkeeper calibrate approve" in text
    assert "no rule; the model chooses by itself" in text
    assert f"◆ new: {part.threshold:.3f}" in text
    json.dumps(document.model_dump(mode="json"), allow_nan=False)


@pytest.mark.parametrize("width", [40, 60, 100, 200])
def test_the_plot_keeps_within_the_width(curves: Sequence[RateCurve], width: int) -> None:
    lines = [line.plain for line in threshold_plot(curves[0], width)]
    assert max(map(len, lines)) <= max(width, 40)
    assert sum("◆" in line for line in lines) == 2
    assert "◇" not in "".join(lines)


def test_the_curve_is_drawn_at_the_rates_that_it_has(curves: Sequence[RateCurve]) -> None:
    lines = [line.plain for line in threshold_plot(curves[0], 109)]
    drawn = {number for number, line in enumerate(lines[:11]) if line[7 + 50] == "●"}
    at_half = next(point.rate for point in curves[0].points if point.threshold >= 0.5)
    assert drawn == {round((1 - at_half) * 10)}


@pytest.mark.parametrize("form", ["svg", "png"])
def test_a_picture_shows_hostile_names_as_text(
    curves: Sequence[RateCurve], form: str, tmp_path: Path
) -> None:
    several = [msgspec.structs.replace(curves[0], group=name) for name in (HOSTILE, "b" * 500, "")]
    path = tmp_path / f"curve.{form}"
    write_plot(path, msgspec.structs.replace(proposed(), model=HOSTILE), several, "")
    content = path.read_bytes()
    assert content.startswith(b"<?xml" if form == "svg" else b"\x89PNG")
    assert b"<b>" not in content
    assert b"\x1b" not in content or form == "png"


def test_a_picture_needs_a_curve_and_a_form(calibration: Calibration, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"\.svg or \.png"):
        write_plot(tmp_path / "curve.gif", calibration, (), "")
    with pytest.raises(Misconfigured, match="aren't stored any more"):
        write_plot(
            tmp_path / "curve.svg",
            calibration,
            *curves_of(calibration, policy(), Logs((), AT, AT, is_cut=False)),
        )
    with pytest.raises(ValueError, match="at least one curve"):
        rate_picture((), title="", form="svg")


def test_the_overview_has_each_model_what_happens_next_and_what_is_ignored(calibration: Calibration) -> None:
    rolled = steps.roll_back(calibration, by="bob", at=AT, reason="no")
    held = Held(
        {"a": calibration, "b": msgspec.structs.replace(rolled, model="b")},
        (Distrusted(Distrust.BAD_SIGNATURE, 3, AT), Distrusted(Distrust.BAD_SIGNATURE, 4, AT)),
    )
    document = overview_document(held, [policy("b"), policy("c")], Settings())
    assert [(line.model, line.state, bool(line.needs_person)) for line in document.calibrations] == [
        (SERVING.model, "proposed", True),
        ("b", "rolled_back", False),
    ]
    assert (document.without, document.ignored) == (["c"], {"bad_signature": 2})
    text = rendered(overview(document), 120)
    assert "2 messages of the topic are ignored: bad_signature" in text
    assert "c: no calibration yet" in text


def test_no_model_at_all_says_where_to_begin() -> None:
    text = rendered(overview(overview_document(Held({}, ()), (), Settings())), 100)
    assert "docs/recalibration.md" in text


def test_every_state_says_what_happens_next(calibration: Calibration) -> None:
    told = []
    current = calibration
    steps_taken: tuple[tuple[CalibrationState, Outcome | None], ...] = (
        *(("approved", None), ("published", None)),
        *(("observed", "keep"), ("kept", None)),
    )
    for state, outcome in steps_taken:
        current = step(current, state, by="x", reason="", at=AT, outcome=outcome)
        told.append(calibration_line(current).next_step)
    assert len(set(told)) == 4
    assert all(told)
    published = step(
        step(calibration, "approved", by="", reason="", at=AT), "published", by="", reason="", at=AT
    )
    line = calibration_line(published)
    assert (line.version_in_force, line.in_force is not None, line.needs_person) == (1, True, [])


def test_declined_and_unchanged_say_why_and_show_no_calibration() -> None:
    document = ProposalDocument(
        model=HOSTILE, outcome="declined", reasons=["too_few: 3 prompts"], not_identified=[], proposal=None
    )
    text = rendered(proposal_view(document, (), 80), 80)
    assert "nothing changes" in text
    assert "too_few: 3 prompts" in text
    assert "\x1b" not in text


def test_a_step_that_is_not_due_is_refused_with_how_it_stands(calibration: Calibration) -> None:
    approved = steps.approve(calibration, by="", at=AT)
    with pytest.raises(Misconfigured, match="version 1 is approved"), decided_here():
        steps.approve(approved, by="", at=AT)
    with pytest.raises(Misconfigured, match="isn't the newest: that is 1"):
        chosen(calibration, 2)
    assert chosen(calibration, 1) is calibration


def test_which_model_is_meant(calibration: Calibration) -> None:
    assert policy_of(None, [policy()]) == policy()
    assert held_of(None, Held({"a": calibration}, ())) is calibration
    with pytest.raises(Misconfigured, match="name one of them"):
        policy_of(None, [policy("a"), policy("b")])
    with pytest.raises(Misconfigured, match="no model 'z'"):
        policy_of("z", [policy("a")])
    with pytest.raises(Misconfigured, match="no policy file"):
        policy_of("a", ())
    with pytest.raises(Misconfigured, match="no model has a calibration"):
        held_of("a", Held({}, ()))
    with pytest.raises(Misconfigured, match="2 signed otherwise than with the secrets of this command"):
        held_of(
            "a",
            Held({}, (Distrusted(Distrust.BAD_SIGNATURE, 0, AT), Distrusted(Distrust.UNKNOWN_KEY, 1, AT))),
        )


def test_without_the_secret_nothing_is_done() -> None:
    with pytest.raises(Misconfigured, match="WATCHKEEPER_RECALIBRATION__SECRET"):
        required_keys(load({}))


def test_the_windows_touch_and_do_not_overlap() -> None:
    then, now = windows_at(Settings().recalibration, AT)
    assert then[1] == now[0]
    assert now[1] == AT - timedelta(seconds=60)
    assert then[1] - then[0] == timedelta(days=7)

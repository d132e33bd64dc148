"""A real causal model, trained here with refusal tokens: served, logged, calibrated, and served again by what was signed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from benchmarks.refusal_tokens.traffic import Prompt, draw
from monitor.recalibration.life import step
from monitor.recalibration.obedience import obedience
from monitor.recalibration.observing import Expectations, Finding, observe
from monitor.recalibration.proposing import Place
from monitor.recalibration.records import Serving
from monitor.recalibration.weighted import difference
from monitor.recalibration.windows import Window
from monitor.serving.__main__ import main
from monitor.serving.following import FileFollower
from monitor.serving.hashes import template_hash
from monitor.serving.thresholds import InForce
from monitor.serving.tokens import Served, ids_of
from schemas.calibrations import Calibration, Thresholds
from schemas.refusal_tokens import CATEGORY_TOKENS, RESPOND
from tests.unit.recalibration.logs import AT
from tests.unit.serving.serving_parts import SECRETS, signed

pytest.importorskip("torch")
from benchmarks.refusal_tokens.loop import (
    Answered,
    calibrate,
    first_calibration,
    rate_of,
    serve,
    served_tiny,
    window,
)
from benchmarks.refusal_tokens.model import Tiny, train

SELECTED: Final = CATEGORY_TOKENS[:3]
TARGETS: Final = dict(zip(SELECTED, (0.3, 0.5, 0.65), strict=True))
OLD: Final = Thresholds(
    rule="category", selected=SELECTED, temperature=1.0, values=dict.fromkeys(SELECTED, 0.5)
)
PROMPTS: Final = 1200


@dataclass(frozen=True)
class Run:
    """Before, and under the calibration that came of it."""

    served: Served
    before: Sequence[Answered]
    calibration: Calibration
    after: Sequence[Answered]
    window: Window


@pytest.fixture(scope="module")
def tiny() -> Tiny:
    return train()


def times(begin: int, n: int) -> list[datetime]:
    return [AT + timedelta(seconds=begin + place) for place in range(n)]


def prompts(seed: int, n: int = PROMPTS) -> list[Prompt]:
    return draw(n, np.random.default_rng(seed))


def of_file(path: Path, calibration: Calibration, in_force: InForce) -> None:
    path.write_bytes(signed(calibration))
    assert FileFollower(path, in_force).look()


@pytest.fixture(scope="module")
def run(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("calibrations") / "calibration.json"
    model = served_tiny(tiny)
    serving = model.serving
    in_force = InForce(model, SECRETS)
    first = first_calibration(model, OLD, AT)
    of_file(path, first, in_force)
    before = serve(tiny, in_force, prompts(1), "then")
    now = serve(tiny, in_force, prompts(2), "now")
    found = calibrate(
        window(before, serving, OLD, at=times(0, PROMPTS), live=OLD),
        window(now, serving, OLD, at=times(PROMPTS, PROMPTS), live=OLD),
        TARGETS,
        serving=serving,
        shape=OLD,
        before=OLD,
        place=Place("watchkeeper", 2, AT + timedelta(hours=1), "anna"),
    )
    assert isinstance(found, Calibration), found
    for state in ("approved", "published"):
        found = step(found, state, by="anna", reason="", at=found.at + timedelta(minutes=1))
        of_file(path, found, in_force)
    after = serve(tiny, in_force, prompts(3), "after")
    observed = window(after, serving, found.now, at=times(5 * PROMPTS, PROMPTS), live=found.now)
    return Run(model, before, found, after, observed)


def test_each_categorys_rate_goes_to_its_target(run: Run) -> None:
    for part in run.calibration.evidence:
        target = TARGETS[part.group]
        before, after = (rate_of(answered, part.group) for answered in (run.before, run.after))
        off = difference(after, part.rate)
        assert abs(part.rate.value - target) < 0.02, part
        assert off.low - 0.02 <= 0 <= off.high + 0.02, (part.group, before, after)
        if abs(before.value - target) > 0.1:
            assert abs(after.value - target) < abs(before.value - target), (part.group, before, after)
    moved = [part for part in run.calibration.evidence if abs(part.threshold - 0.5) > 0.1]
    assert len(moved) >= 2


def test_the_observation_says_that_it_arrived_and_it_is_kept(run: Run) -> None:
    assert (run.window.rows, len(run.window.sample), dict(run.window.unidentified)) == (PROMPTS, PROMPTS, {})
    decided = run.window.sample.follows
    assert set(decided[~np.isnan(decided)].tolist()) == {1.0}
    decision = observe(
        run.calibration, run.window, Expectations(least_prompts=100, least_answers=20, tolerance=0.02)
    )
    assert decision.verdict == "keep", decision.observed
    assert {one.finding for one in decision.observed} == {Finding.ARRIVED}


def test_tokens_that_no_threshold_decides_about_are_the_models_own(run: Run) -> None:
    for one in run.after:
        logits = one.record.logits or {}
        top = max(CATEGORY_TOKENS, key=logits.__getitem__)
        if top not in SELECTED:
            assert one.record.emitted == max(logits, key=logits.__getitem__)
            assert one.record.threshold is None


def test_the_text_obeys_the_token_natural_or_forced(run: Run) -> None:
    cells = {(cell.after, cell.manner): cell for cell in obedience(run.window.sample, z=1.96)}
    for (after, manner), cell in cells.items():
        assert cell.n >= 15, (after, manner, cell.n)
        assert cell.refused is not None
        obeyed = cell.refused.value if after == "refuse" else 1 - cell.refused.value
        assert obeyed > 0.95, (after, manner, cell)
    assert all(one.is_refused == (one.record.emitted != RESPOND) for one in run.after[:50])


def test_the_calibration_is_named_by_what_it_decided(run: Run) -> None:
    assert {one.record.calibration_version for one in run.before} == {1}
    assert {one.record.calibration_version for one in run.after} == {2}


@pytest.mark.parametrize(
    "options", [{"do_sample": True, "temperature": 1.3}, {"num_beams": 2}], ids=["sampling", "beams"]
)
def test_it_decides_the_same_however_the_rest_is_written(
    tiny: Tiny, run: Run, options: dict[str, Any]
) -> None:
    in_force = InForce(run.served, SECRETS)
    assert in_force.offer(signed(run.calibration))
    again = serve(tiny, in_force, prompts(3)[:60], "again", **options)
    assert [one.record.emitted for one in again] == [one.record.emitted for one in run.after[:60]]


def test_another_template_than_the_calibrations_is_left_alone(tiny: Tiny, run: Run) -> None:
    other = Serving("tiny", run.served.serving.tokenizer_hash, template_hash("another"), CATEGORY_TOKENS)
    in_force = InForce(Served(fleet="watchkeeper", serving=other, **ids_of(tiny.tokenizer, other)), SECRETS)
    in_force.offer(signed(run.calibration))
    (one, *_) = serve(tiny, in_force, prompts(4)[:5], "other")
    assert (one.record.rule, one.record.calibration_version, one.record.template_hash) == (
        None,
        0,
        template_hash("another"),
    )


def test_the_command_knows_the_model_by_its_folder(
    tiny: Tiny, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, secret, file = (tmp_path / name for name in ("model", "secret", "calibration.json"))
    tiny.tokenizer.save_pretrained(folder)
    secret.write_bytes(SECRETS["main"])
    file.write_bytes(signed(run.calibration))
    config = tmp_path / "serving.toml"
    names = ", ".join(f'"{name}"' for name in CATEGORY_TOKENS)
    config.write_text(
        f'fleet = "watchkeeper"\nmodel = "tiny"\ntokenizer = "{folder}"\nrefusals = [{names}]\n'
        f'[keys]\nmain = "{secret}"\n[file]\npath = "{file}"\n'
    )
    assert main(["check", str(file), "--config", str(config)]) == 0
    assert "applies to the model of these settings" in capsys.readouterr().out
    assert main(["hashes", str(folder)]) == 0
    hashes = capsys.readouterr().out
    assert run.served.serving.tokenizer_hash in hashes
    assert run.served.serving.template_hash in hashes
    assert main(["export-openai", str(file), "--config", str(config), "--tokenizer", str(folder)]) == 0
    exported = json.loads(capsys.readouterr().out)
    assert list(exported["logit_bias"]) == [str(number) for number in run.served.refusal_ids[:3]]
    other = Path(str(config) + ".other")
    other.write_text(config.read_text().replace('model = "tiny"', 'model = "other"'))
    assert main(["check", str(file), "--config", str(other)]) == 1
    assert "other_place" in capsys.readouterr().err
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    assert main(["check", str(file), "--config", str(config)]) == 1
    assert "other_template" in capsys.readouterr().err
    assert main(["hashes", str(tmp_path / "nowhere")]) == 1

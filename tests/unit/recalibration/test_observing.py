from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from monitor.recalibration.observing import Decision, Expectations, Finding, observe
from monitor.recalibration.pieces import Piece
from monitor.recalibration.windows import Window
from schemas.calibrations import Calibration
from tests.unit.recalibration.calibrations import a_calibration, part
from tests.unit.recalibration.logs import AT, sample, thresholds

SERVED: Calibration = msgspec.structs.replace(
    a_calibration(),
    state="published",
    now=thresholds("single", 0.6),
    evidence=(part("", 0.5, 0.6, 0.35, 0.3),),
)


def window(
    n: int = 1000,
    *,
    rate: float = 0.3,
    forced: float = 0.05,
    respond: float = 0.05,
    refuse: float = 0.95,
    strays: int = 0,
    unidentified: dict[Piece, int] | None = None,
    **columns: Any,
) -> Window:
    """`rate` of n prompts refused; a share `forced` of all got the respond token against their leaning. The texts refuse so
    often after a forced respond token, and after a refusal token."""
    refused, held = round(rate * n), round(forced * n)
    rest = n - refused - held
    texts = [
        *(np.arange(refused) < round(refuse * refused)),
        *(np.arange(held) < round(respond * held)),
        *[False] * rest,
    ]
    whole: dict[str, Any] = {
        "emitted": [1.0] * refused + [0.0] * (held + rest),
        "natural": [1.0] * (refused + held) + [0.0] * rest,
        "text": np.array(texts, np.float64),
        "follows": [1.0] * (n - strays) + [0.0] * strays,
    }
    of = sample([0.9] * refused + [0.55] * held + [0.1] * rest, **(whole | columns))
    pieces = unidentified or {}
    return Window(of, AT, AT, n + sum(pieces.values()), pieces)


def decided(*args: Any, expected: Expectations = Expectations(), **fields: Any) -> Decision:  # noqa: B008 - frozen
    return observe(SERVED, window(*args, **fields), expected)


def findings(decision: Decision) -> list[Finding]:
    return [one.finding for one in decision.observed]


def test_a_rate_that_arrived_with_tokens_that_are_obeyed_is_kept() -> None:
    found = decided()
    assert (found.verdict, findings(found)) == ("keep", [Finding.ARRIVED])
    assert found.reason.startswith("arrived: all: 30.0% of 1000, 30.0% expected (difference -")


@pytest.mark.parametrize(
    ("fields", "finding"),
    [
        ({"rate": 0.45}, Finding.TOO_MANY_REFUSED),
        ({"rate": 0.15}, Finding.TOO_FEW_REFUSED),
        ({"forced": 0.2, "respond": 0.5}, Finding.RESPOND_DISOBEYED),
        ({"refuse": 0.5}, Finding.REFUSE_DISOBEYED),
        ({"strays": 300}, Finding.NOT_FOLLOWED),
        ({"unidentified": {Piece.EMITTED_AGAINST_RULE: 500}}, Finding.NOT_FOLLOWED),
    ],
)
def test_what_contradicts_rolls_it_back_with_the_reason(fields: dict[str, Any], finding: Finding) -> None:
    found = decided(**fields)
    assert (found.verdict, finding in findings(found)) == ("roll_back", True)
    assert found.reason.startswith(f"{finding}: ")
    assert "arrived" not in found.reason


def test_few_prompts_are_waited_for() -> None:
    found = decided(100)
    assert (found.verdict, found.reason) == ("wait", "too_few: all: 100 prompts, 200 needed")


def test_a_token_that_is_plainly_disobeyed_is_not_waited_for() -> None:
    found = decided(150, forced=0.4, respond=0.9)
    assert (found.verdict, Finding.TOO_FEW in findings(found)) == ("roll_back", True)
    assert found.reason.startswith("respond_disobeyed: 90.0% of 60 texts after a forced respond token refuse")


def test_prompts_that_were_under_way_when_it_was_published_do_not_count() -> None:
    found = decided(strays=50)
    assert findings(found) == [Finding.ARRIVED]
    assert "of 950" in found.reason


def test_a_rate_within_the_tolerance_has_arrived() -> None:
    assert decided(rate=0.45, expected=Expectations(tolerance=0.1)).verdict == "keep"


def test_randomised_prompts_stand_for_each_other() -> None:
    """A tenth of all got the other token; the rate is that of the rule all the same."""
    n = 2000
    scores = np.where(np.arange(n) % 10 < 3, 0.9, 0.1)
    is_other = np.arange(n) // 10 % 10 == 0
    emitted = np.where(is_other, scores < 0.6, scores >= 0.6).astype(np.float64)
    of = sample(
        scores.tolist(),
        emitted=emitted,
        natural=scores >= 0.5,
        text=emitted,
        follows=np.ones(n),
        propensity=np.where(is_other, 0.1, 0.9),
    )
    found = observe(SERVED, Window(of, AT, AT, n, {}), Expectations())
    assert (found.verdict, "30.0% of 1800" in found.reason) == ("keep", True)


def test_without_any_prompt_it_waits() -> None:
    found = observe(SERVED, Window(sample([]), AT, AT, 0, {}), Expectations())
    assert found.verdict == "wait"


@pytest.mark.parametrize(
    "fields",
    [
        {"least_prompts": 0},
        {"least_answers": 0},
        {"disobedience": 0.0},
        {"disobedience": 1.0},
        {"tolerance": -1.0},
        {"not_followed": 2.0},
    ],
)
def test_expectations_that_cannot_be_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Expectations(**fields)

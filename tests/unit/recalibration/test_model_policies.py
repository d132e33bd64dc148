"""The file of policies: what it says, and all that is wrong with it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.errors import Misconfigured
from monitor.recalibration.model_policies import parse_policies, read_policies
from schemas.calibrations import ALL, Policy, Thresholds
from tests.unit.recalibration.policies import a_policy

SMALL = """
[[models]]
name = "m"
refusals = ["[refuse]"]
rule = "single"
policy.target_rate = 0.2
"""
LARGE = """
[[models]]
name = "a\\u0000\\n\\"b"
logged_as = "alias"
refusals = [" [a]", "[b] ", "[c]"]
respond = "[go]"
tokenizer_hash = "tok"
template_hash = "tpl"
context_turns = 1
rule = "category"
selected = ["[a]", "[b]"]
temperature = 0.7
procedure = "pac"
labels = "judge"

[models.policy]
over_refusal = 0.1
miss = 0.3
delta = 0.01

[models.policies."[b]"]
miss = 0.2

[models.severity]
cyberattacks = 0.5
"""


def faults(text: str) -> list[str]:
    return parse_policies(text)[1]


def changed(line: str, text: str = SMALL) -> str:
    return text + line + "\n"


def test_a_small_file_and_a_large_one() -> None:
    models, wrong = parse_policies(SMALL + LARGE)
    assert wrong == []
    assert models == (
        a_policy(),
        a_policy(
            model='a\x00\n"b',
            logged_as="alias",
            refusals=("[a]", "[b]", "[c]"),
            respond="[go]",
            tokenizer_hash="tok",
            template_hash="tpl",
            context_turns=1,
            rule="category",
            selected=("[a]", "[b]"),
            temperature=0.7,
            procedure="pac",
            labels="judge",
            policies={"[a]": Policy(over_refusal=0.1, miss=0.3, delta=0.01), "[b]": Policy(miss=0.2)},
            severity={"cyberattacks": 0.5},
        ),
    )
    assert models[0].shape == Thresholds(
        rule="single", selected=("[refuse]",), temperature=1.0, values={ALL: 0.5}
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it has no [[models]]"),
        ("models = 3", "it has no [[models]]"),
        ("[[models]]\n[models", "it is no TOML ("),
        (SMALL + "[other]", "other is nothing that this file has"),
        (changed("bound = 1"), "model 1: bound: Extra inputs are not permitted"),
        (changed("policy.rate = 0.1"), "model 1: policy.rate: Extra inputs are not permitted"),
        (SMALL.replace("0.2", '"0.2"'), "model 1: policy.target_rate: Input should be a valid number"),
        (SMALL.replace("0.2", "1.5"), "model 1: policy.target_rate: Input should be less than or equal to 1"),
        (SMALL.replace("0.2", "nan"), "model 1: policy.target_rate:"),
        (SMALL.replace("policy.target_rate = 0.2", ""), "1 of 1 groups have no policy"),
        (SMALL.replace("policy.target_rate = 0.2", "policy = {}"), "policy of all: it asks for nothing"),
        (changed("policy.over_refusal = 0"), "over_refusal 0.0 is not between 0 and 1"),
        (SMALL.replace("0.2", "0") + "policy.miss = 0.1\n", "target_rate 0 or 1 leaves nothing to bounds"),
        (changed('procedure = "pac"'), "procedure pac: a target alone is by quantile"),
        (
            changed('policy.miss = 0.1\nprocedure = "quantile"'),
            "procedure quantile: a target alone is by quantile",
        ),
        (changed('policy.miss = 0.1\nprocedure = "split_conformal"'), 'needs delta = "average"'),
        (changed('policy.miss = 0.1\npolicy.delta = "average"\nprocedure = "pac"'), "needs delta = a share"),
        (changed('procedure = "magic"'), "model 1: procedure: Input should be 'auto'"),
        (changed('policies."[x]".miss = 0.1'), "policies for 1 groups that there aren't"),
        (changed('selected = ["[x]"]'), "selected: must be some of the refusals"),
        (changed('respond = " [refuse]"'), "names must differ by more than spaces"),
        (SMALL.replace('["[refuse]"]', '["[a]", "[b]"]'), "the single rule has one token"),
        (changed("severity.violence = 0.1"), "severity: 1 categories are none of"),
        (changed("severity.cyberattacks = 0.1"), "counts for a bound on miss alone"),
        (changed("temperature = 0.0"), "model 1: temperature: Input should be greater than 0"),
        (SMALL + SMALL, "two models have the same name"),
    ],
)
def test_a_fault_is_named_with_its_place(text: str, said: str) -> None:
    assert any(said in fault for fault in faults(text)), faults(text)


def test_all_faults_are_told_at_once_and_no_value_is_quoted(tmp_path: Path) -> None:
    file = tmp_path / "policies.toml"
    file.write_text(SMALL.replace("0.2", '"hunter2"') + "typo = 1\n" + SMALL.replace("single", "hunter3"))
    with pytest.raises(Misconfigured) as caught:
        read_policies(file)
    text = str(caught.value)
    assert [text.count(part) for part in ("model 1: ", "model 2: rule", str(file), "hunter")] == [2, 1, 1, 0]


@pytest.mark.parametrize("content", [b"\xff\xfe", b"#" * (1 << 20) + b"#", None])
def test_a_file_that_cant_be_read_is_told(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "policies.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Misconfigured, match=r"policies\.toml can't be used"):
        read_policies(file)

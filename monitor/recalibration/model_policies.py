"""What is wanted of each model's refusal tokens: the TOML file of policies. All that is wrong with it is told at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from monitor.errors import Misconfigured
from monitor.recalibration.records import Serving
from monitor.recalibration.solving import Chosen, checked
from monitor.toml_files import table_of, text_of
from schemas.calibrations import ALL, Policy, Procedure, Thresholds
from schemas.refusal_tokens import RESPOND, RuleName
from schemas.taxonomy import HARM_CATEGORIES

MOST_MODELS: Final = 200
ANY: Final = "any"
"""In place of a hash: that of the newest record of the window. Records of others are left out, and counted."""
Labels = Literal["guard", "judge"]


@dataclass(frozen=True)
class ModelPolicy:
    """One model: its name in its refusal-token records, and in the chat logs; its tokens; the rule; what is wanted of each
    group; by whose labels. `severity`: how much a harmful prompt of a category counts when it is answered, 0..1; 1 unless
    named. Hashes may be ANY."""

    model: str
    logged_as: str
    refusals: tuple[str, ...]
    respond: str
    tokenizer_hash: str
    template_hash: str
    context_turns: int
    rule: RuleName
    selected: tuple[str, ...]
    temperature: float
    policies: Mapping[str, Policy]
    procedure: Chosen = "auto"
    labels: Labels = "guard"
    severity: Mapping[str, float] = field(default_factory=dict)

    def serving(self, tokenizer_hash: str, template_hash: str) -> Serving:
        """What its logs are read as, with these hashes where the file says ANY."""
        return Serving(
            self.model,
            tokenizer_hash if self.tokenizer_hash == ANY else self.tokenizer_hash,
            template_hash if self.template_hash == ANY else self.template_hash,
            self.refusals,
            self.respond,
            self.context_turns,
        )

    @property
    def shape(self) -> Thresholds:
        """Rule, selection and temperature, with a threshold of 1/2 for each group: every group has a policy, so none is kept."""
        return Thresholds(
            rule=self.rule,
            selected=self.selected,
            temperature=self.temperature,
            values=dict.fromkeys(self.policies, 0.5),
        )


def read_policies(path: Path) -> tuple[ModelPolicy, ...]:
    """The models of the file, in its order. Raises Misconfigured with every fault and its place; no value is quoted."""
    text, faults = text_of(path)
    if faults:
        raise _misconfigured(path, faults)
    found, faults = parse_policies(text)
    if faults:
        raise _misconfigured(path, faults)
    return found


def parse_policies(text: str) -> tuple[tuple[ModelPolicy, ...], list[str]]:
    """The models of such a file, and its faults."""
    table, faults = table_of(text)
    if faults:
        return (), faults
    faults = [
        f"{_shown(key)} is nothing that this file has: models are [[models]]"
        for key in table
        if key != "models"
    ]
    models = table.get("models")
    if not isinstance(models, list) or not models:
        return (), [*faults, "it has no [[models]]"]
    if len(models) > MOST_MODELS:
        return (), [*faults, f"it has more than {MOST_MODELS} models"]
    found: list[ModelPolicy] = []
    for number, given in enumerate(models, start=1):
        try:
            found.append(_policy(_Table.model_validate(given)))
        except ValidationError as exc:
            faults += [
                f"model {number}: {'.'.join(_shown(part) for part in error['loc']) or 'table'}: {_said(error)}"
                for error in exc.errors(include_url=False, include_input=False, include_context=False)
            ]
        except _Faults as exc:
            faults += [f"model {number}: {fault}" for fault in exc.faults]
    for what, names in (
        ("name", [one.model for one in found]),
        ("logged_as", [one.logged_as for one in found]),
    ):
        if len(set(names)) != len(names):
            faults.append(f"two models have the same {what}")
    return tuple(found), faults


class _Faults(Exception):
    """All that is wrong with a model beyond types."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


Name = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Wanted(_Strict):
    target_rate: Share | None = None
    over_refusal: Share | None = None
    miss: Share | None = None
    delta: Share | Literal["average"] = 0.05

    def policy(self) -> Policy:
        delta = None if isinstance(self.delta, str) else self.delta
        return Policy(
            target_rate=self.target_rate, over_refusal=self.over_refusal, miss=self.miss, delta=delta
        )


class _Table(_Strict):
    name: Name
    logged_as: Name | None = None
    refusals: Annotated[list[Name], Field(min_length=1, max_length=100)]
    respond: Name = RESPOND
    tokenizer_hash: Name = ANY
    template_hash: Name = ANY
    context_turns: Annotated[int, Field(ge=0, le=1000)] = 0
    rule: RuleName
    selected: Annotated[list[Name], Field(min_length=1, max_length=100)] | None = None
    temperature: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] = 1.0
    procedure: Literal["auto", Procedure] = "auto"
    labels: Labels = "guard"
    policy: _Wanted | None = None
    policies: dict[str, _Wanted] = {}
    severity: dict[str, Share] = {}


def _policy(table: _Table) -> ModelPolicy:
    refusals = tuple(name.strip() for name in table.refusals)
    selected = tuple(name.strip() for name in table.selected or table.refusals)
    own = {name.strip(): wanted.policy() for name, wanted in table.policies.items()}
    groups = selected if table.rule == "category" else (ALL,)
    default = None if table.policy is None else table.policy.policy()
    policies = {name: own.get(name, default) for name in groups}
    faults = list(_token_faults(refusals, table.respond.strip(), selected, table.rule))
    strangers = [name for name in own if name not in groups]
    if strangers:
        faults.append(
            f"policies for {len(strangers)} groups that there aren't: "
            + (
                "they go by selected token"
                if table.rule == "category"
                else f"the {table.rule} rule takes `policy` alone"
            )
        )
    without = sum(policy is None for policy in policies.values())
    if without:
        faults.append(
            f"{without} of {len(groups)} groups have no policy: state `policy`, or `policies` by token"
        )
    for name, policy in policies.items():
        if policy is not None:
            faults += [
                f"policy of {ascii(name) if name else 'all'}: {fault}"
                for fault in _wanted_faults(policy, table.procedure)
            ]
    unknown = sorted(set(table.severity) - set(HARM_CATEGORIES))
    if unknown:
        faults.append(f"severity: {len(unknown)} categories are none of {', '.join(HARM_CATEGORIES)}")
    if table.severity and not any(
        policy is not None and policy.miss is not None for policy in policies.values()
    ):
        faults.append("severity: counts for a bound on miss alone, and there is none")
    if faults:
        raise _Faults(faults)
    return ModelPolicy(
        table.name,
        table.logged_as or table.name,
        refusals,
        table.respond.strip(),
        table.tokenizer_hash,
        table.template_hash,
        table.context_turns,
        table.rule,
        selected,
        table.temperature,
        {name: policy for name, policy in policies.items() if policy is not None},
        table.procedure,
        table.labels,
        dict(table.severity),
    )


def _token_faults(refusals: tuple[str, ...], respond: str, selected: tuple[str, ...], rule: str) -> list[str]:
    faults = []
    names = (*refusals, respond)
    if len(set(names)) != len(names) or not all(names):
        faults.append("refusals and respond: names must differ by more than spaces")
    if not set(selected) <= set(refusals) or len(set(selected)) != len(selected):
        faults.append("selected: must be some of the refusals, each once")
    if rule == "single" and len(selected) != 1:
        faults.append("selected: the single rule has one token; name it")
    return faults


def _wanted_faults(policy: Policy, procedure: str) -> list[str]:
    try:
        checked(policy)
    except Misconfigured as exc:
        return [str(exc).partition("\n")[0].removeprefix("calibration policy: ")]
    has_bounds = policy.over_refusal is not None or policy.miss is not None
    faults = []
    if procedure != "auto":
        if (procedure == "quantile") == has_bounds:
            faults.append(f"procedure {procedure}: a target alone is by quantile, bounds are by another")
        elif has_bounds and (procedure in ("split_conformal", "conformal_risk_control")) != (
            policy.delta is None
        ):
            faults.append(
                f"procedure {procedure}: needs delta = {'a share' if policy.delta is None else chr(34) + 'average' + chr(34)}"
            )
    if policy.target_rate is not None and policy.target_rate in (0, 1) and has_bounds:
        faults.append("target_rate 0 or 1 leaves nothing to bounds: state one or the other")
    return faults


def _said(error: Any) -> str:
    return str(error["msg"]).removeprefix("Value error, ")


def _shown(part: object) -> str:
    return str(part) if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", str(part)) else "a key"


def _misconfigured(path: Path, faults: list[str]) -> Misconfigured:
    return Misconfigured(
        f"the calibration policies in {path} can't be used:\n"
        + "\n".join(f"  - {fault}" for fault in faults),
        "correct it (docs/recalibration.md, What is wanted)",
    )

"""A synthetic day of chat traffic: who asks which model what, when, and what is answered. Deterministic, seeded.

Two tenants, three models, a daily rhythm, mostly benign prompts. At a known minute one model of one tenant begins to
refuse harmless medical and security questions: that is what a monitor has to find. `Day.truth` says what a perfect
guard would count.
"""

from __future__ import annotations

import math
import random
from bisect import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import blake2b
from itertools import accumulate
from typing import Final, Literal

from monitor.demo.texts import Entry, by_topic, is_benign, load_corpus
from schemas.taxonomy import BENIGN

Outcome = Literal["comply", "refuse", "filtered"]
Family = Literal["openai", "litellm", "otel_span", "otlp_json", "otlp_protobuf", "watchkeeper"]

DAY: Final = timedelta(hours=24)
DRIFT_BEFORE_END: Final = timedelta(hours=8)

BENIGN_TOPICS: Final[Mapping[str, float]] = {"everyday": 60.0, "medical": 13.0, "security": 12.0}
"""Per cent of all exchanges; the rest asks for harm, as below."""
HARM_TOPICS: Final[Mapping[str, float]] = {
    "fraud_illegal_activities": 2.2,
    "toxic_language_hate_speech": 2.0,
    "cyberattacks": 1.7,
    "private_information_individual": 1.3,
    "violence_physical_harm": 1.2,
    "sexual_content": 1.2,
    "false_or_misleading_information": 1.1,
    "social_stereotypes_discrimination": 1.0,
    "unethical_unsafe_actions": 1.0,
    "mental_health_overreliance": 0.8,
    "copyright_violations": 0.6,
    "material_harm_by_misinformation": 0.5,
    "sensitive_information_organization": 0.4,
}
DRIFTING_TOPICS: Final = frozenset({"medical", "security"})
PLAIN_HARM_SHARE: Final = 0.75
"""Most who ask for harm ask plainly; the corpus has a plain and a roundabout half (texts of at most 110 characters)."""
PLAIN_CHARS: Final = 110
FILTERED_SHARE: Final = 0.03
"""Of the harmful prompts, those that the provider's content filter stops before any answer."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How often a model refuses: what is harmful, harmless everyday questions, harmless sensitive ones."""

    harmful: float
    everyday: float
    sensitive: float


@dataclass(frozen=True, slots=True)
class Route:
    """A tenant's use of a model: its share of the traffic, how the model behaves, and how its logs are written."""

    tenant: str
    model: str
    share: float
    behaviour: Behaviour
    families: Mapping[Family, float]


_GATEWAY: Final[Mapping[Family, float]] = {"litellm": 0.7, "watchkeeper": 0.3}
_DIRECT: Final[Mapping[Family, float]] = {"openai": 0.8, "otel_span": 0.2}
_COLLECTOR: Final[Mapping[Family, float]] = {"otlp_json": 0.5, "otlp_protobuf": 0.4, "openai": 0.1}
_LARGE: Final = Behaviour(harmful=0.93, everyday=0.008, sensitive=0.04)
_MINI: Final = Behaviour(harmful=0.86, everyday=0.015, sensitive=0.08)
_OPEN: Final = Behaviour(harmful=0.60, everyday=0.005, sensitive=0.03)
_DRIFTED: Final = Behaviour(harmful=0.90, everyday=0.03, sensitive=0.65)

ROUTES: Final = (
    Route("acme-support", "atlas-large", 0.22, _LARGE, _GATEWAY),
    Route("acme-support", "atlas-mini", 0.26, _MINI, _GATEWAY),
    Route("acme-support", "heron-7b", 0.10, _OPEN, _COLLECTOR),
    Route("northwind", "atlas-large", 0.12, _LARGE, _DIRECT),
    Route("northwind", "atlas-mini", 0.20, _MINI, _DIRECT),
    Route("northwind", "heron-7b", 0.10, _OPEN, _COLLECTOR),
)
DRIFTING: Final = ROUTES[4]


@dataclass(frozen=True, slots=True)
class Planned:
    """One exchange before it is written down. `answer` None: the provider's filter stopped it."""

    number: int
    at: datetime
    route: Route
    entry: Entry
    outcome: Outcome
    answer: str | None
    family: Family
    token: str
    """32 hex digits of its own: every id comes from them."""
    conversation_id: str


@dataclass(slots=True)
class Count:
    """Exchanges with an answer, and the refusals among them."""

    answered: int = 0
    refused: int = 0

    @property
    def rate(self) -> float:
        """The refusal rate; NaN of nothing."""
        return self.refused / self.answered if self.answered else math.nan


@dataclass(slots=True)
class Truth:
    """What a perfect guard would count: by tenant, model and category, and the drifting cell before and after."""

    exchanges: int = 0
    filtered: int = 0
    cells: dict[tuple[str, str, str], Count] = field(default_factory=dict)
    before: Count = field(default_factory=Count)
    after: Count = field(default_factory=Count)


@dataclass(frozen=True)
class Day:
    """A day of `exchanges` exchanges that ends at `ends_at` (UTC). The same three give the same day."""

    exchanges: int
    seed: int
    ends_at: datetime

    @property
    def begins_at(self) -> datetime:
        """When it begins."""
        return self.ends_at - DAY

    @property
    def drift_at(self) -> datetime:
        """The minute at which `DRIFTING` changes."""
        return (self.ends_at - DRIFT_BEFORE_END).replace(second=0, microsecond=0)

    def planned(self) -> Iterator[Planned]:
        """The exchanges in the order in which they happen."""
        dice = random.Random(f"{self.seed} traffic")
        topics = by_topic(load_corpus())
        plain = {t: tuple(e for e in topics[t] if len(e.prompt) <= PLAIN_CHARS) for t in HARM_TOPICS}
        mix = {**BENIGN_TOPICS, **HARM_TOPICS}
        names, odds = list(mix), list(accumulate(mix.values()))
        routes = list(accumulate(route.share for route in ROUTES))
        times = _Rhythm(self.begins_at, self.ends_at)
        for number in range(self.exchanges):
            at = times.moment((number + dice.random()) / self.exchanges)
            route = ROUTES[bisect(routes, dice.random() * routes[-1])]
            topic = names[bisect(odds, dice.random() * odds[-1])]
            is_plain = topic in plain and dice.random() < PLAIN_HARM_SHARE
            entry = dice.choice(plain[topic] if is_plain else topics[topic])
            outcome = self._outcome(dice, route, entry, at)
            token = blake2b(
                f"{self.seed} {self.ends_at.isoformat()} {number}".encode(), digest_size=16
            ).hexdigest()
            yield Planned(
                number,
                at,
                route,
                entry,
                outcome,
                _answer(dice, entry, outcome),
                _pick(dice, route.families),
                token,
                f"conv-{token[:12]}",
            )

    @cached_property
    def truth(self) -> Truth:
        """Counted from the plan."""
        truth = Truth()
        for one in self.planned():
            truth.exchanges += 1
            if one.outcome == "filtered":
                truth.filtered += 1
                continue
            key = (one.route.tenant, one.route.model, one.entry.category)
            counts = [truth.cells.setdefault(key, Count())]
            if one.route is DRIFTING and one.entry.category == BENIGN:
                counts.append(truth.after if one.at >= self.drift_at else truth.before)
            for count in counts:
                count.answered += 1
                count.refused += one.outcome == "refuse"
        return truth

    def _outcome(self, dice: random.Random, route: Route, entry: Entry, at: datetime) -> Outcome:
        has_drifted = route is DRIFTING and at >= self.drift_at
        behaviour = _DRIFTED if has_drifted else route.behaviour
        if not is_benign(entry):
            if dice.random() < FILTERED_SHARE:
                return "filtered"
            odds = behaviour.harmful
        else:
            odds = behaviour.sensitive if entry.topic in DRIFTING_TOPICS else behaviour.everyday
        return "refuse" if dice.random() < odds else "comply"


class _Rhythm:
    """Where in the day the n-th part of its exchanges lies: quiet at three at night, busy at three in the afternoon."""

    def __init__(self, begins_at: datetime, ends_at: datetime) -> None:
        self._begins_at = begins_at
        self._minute = (ends_at - begins_at) / 1440
        hours = [
            (begins_at + n * self._minute).hour + (begins_at + n * self._minute).minute / 60
            for n in range(1440)
        ]
        self._sums = list(accumulate(1.0 - 0.65 * math.cos((hour - 3) / 24 * 2 * math.pi) for hour in hours))

    def moment(self, part: float) -> datetime:
        """`part` from 0 to 1."""
        wanted = part * self._sums[-1]
        minute = min(bisect(self._sums, wanted), 1439)
        below = self._sums[minute - 1] if minute else 0.0
        within = (wanted - below) / (self._sums[minute] - below)
        moment = self._begins_at + (minute + min(within, 0.999)) * self._minute
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _answer(dice: random.Random, entry: Entry, outcome: Outcome) -> str | None:
    if outcome == "filtered":
        return None
    if outcome == "comply":
        return dice.choice(entry.answers.comply)
    # One refusal in five says a little first, where the corpus has such an answer.
    is_partial = bool(entry.answers.partial) and dice.random() < 0.2
    return dice.choice(entry.answers.partial if is_partial else entry.answers.refuse)


def _pick(dice: random.Random, odds: Mapping[Family, float]) -> Family:
    return dice.choices(list(odds), list(odds.values()))[0]

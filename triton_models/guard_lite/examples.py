"""What the encoder learns from: the rows of train.jsonl.gz, the examples in own/, and what is made of both.

Every change of a text here keeps its labels true. Plain disguises are made to harmful and harmless texts alike, so that
they don't give the answer away.
"""

from __future__ import annotations

import gzip
import itertools
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

OWN: Final = Path(__file__).resolve().parent / "own"
OWN_SOURCE: Final = "own"
_ALTERNATIVES: Final = re.compile(r"\{([^{}]*)\}")
_EACH: Final = 12
"""At most so many spellings of one line of own/prompts.tsv are learnt."""

NOISY: Final = {"ailuminate": 0.5, "trustllm-misuse": 0.5, "harmfulqa": 0.6, "in-the-wild-jailbreaks": 0.5}
"""Sources made harmful as a whole that hold many mild prompts: they weigh less."""

READ_AS_PROMPTS: Final = (
    "gptfuzz",
    "pyrit-harm",
    "oasst",
    "self-instruct",
    "arena-hard",
    "ifeval",
    "diasafety",
)
"""Sources whose responses are also shown as prompts: what people send to be moderated isn't always a question."""


@dataclass(frozen=True, slots=True)
class Example:
    """One exchange with its labels; None is not labelled. `weights`: of prompt harm, refusal, response harm, category."""

    source: str
    id: str
    prompt: str
    response: str | None
    prompt_harm: int | None
    refusal: int | None
    response_harm: int | None
    category: str | None
    weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)

    @property
    def share(self) -> float:
        """How often it is shown, in proportion."""
        return max(self.weights)


def rows(path: Path) -> list[Example]:
    """The rows of a gzipped JSON-lines file of the unified format. The category is kept for harmful prompts alone."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [_row(json.loads(line)) for line in lines]


def _row(row: dict[str, Any]) -> Example:
    harm = row["prompt_harmful"]
    return Example(
        row["source"],
        row["id"],
        row["prompt"] or "",
        row["response"],
        harm if row["prompt"] else None,
        row["refusal"] if row["response"] is not None else None,
        row["response_harmful"] if row["response"] is not None else None,
        row["category"] if harm == 1 and row["category"] != "benign" else None,
    )


def own(seed: int) -> list[Example]:
    """The examples written for guard_lite, in up to twelve spellings each."""
    chance = random.Random(seed)
    found = []
    for number, (harm, category, template) in enumerate(_lines("prompts.tsv")):
        for spelling in _spellings(template, chance):
            kind = None if category in {"", "benign"} else category
            found.append(Example(OWN_SOURCE, f"own-{number}", spelling, None, int(harm), None, None, kind))
    for number, (refusal, harm, prompt, response) in enumerate(_lines("exchanges.tsv")):
        pairs = itertools.product(_spellings(prompt, chance), _spellings(response, chance))
        for asked, answered in pairs:
            name = f"own-exchange-{number}"
            found.append(Example(OWN_SOURCE, name, asked, answered, None, int(refusal), int(harm), None))
    return found


def wrappers(kinds: Sequence[str]) -> list[str]:
    """Texts around a request, with {request} in its place: those of the kinds "plain" and "lawless" that are asked for."""
    return [wrapper for kind, wrapper in _lines("wrappers.txt") if kind in kinds]


def _lines(name: str) -> Iterator[list[str]]:
    for line in (OWN / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line.split("\t")


def _spellings(template: str, chance: random.Random) -> list[str]:
    parts = _ALTERNATIVES.split(template)
    choices = [[part] if place % 2 == 0 else part.split("|") for place, part in enumerate(parts)]
    found = ["".join(picked).replace(" ?", "?").strip() for picked in itertools.product(*choices)]
    return found if len(found) <= _EACH else chance.sample(found, _EACH)


def as_prompts(examples: Sequence[Example]) -> list[Example]:
    """Responses of some sources as prompts that are as harmful as they were as responses.

    Of diasafety only what was called harmless: what is harmful there often is so only as an answer.
    """
    return [
        Example(f"{e.source}-text", f"{e.id}-text", e.response, None, e.response_harm, None, None, None)
        for e in examples
        if e.source in READ_AS_PROMPTS
        and e.response
        and e.response_harm is not None
        and not (e.source == "diasafety" and e.response_harm)
        and e.refusal != 1
    ]


def weighted(examples: Sequence[Example], prompt_bound: int, response_bound: int) -> list[Example]:
    """The examples with weights: a source's weigh together at most as much as its bound, a prompt counts once."""
    repeats = Counter(e.prompt for e in examples if e.prompt_harm is not None)
    prompts = Counter(
        source for source, _ in {(e.source, e.prompt) for e in examples if e.prompt_harm is not None}
    )
    answers = Counter(e.source for e in examples if e.refusal is not None or e.response_harm is not None)
    found = []
    for e in examples:
        trust = NOISY.get(e.source, 1.0)
        of_prompt = trust * min(1.0, prompt_bound / max(prompts[e.source], 1)) / max(repeats[e.prompt], 1)
        of_answer = min(1.0, response_bound / max(answers[e.source], 1))
        weights = (
            of_prompt if e.prompt_harm is not None else 0.0,
            of_answer if e.refusal is not None else 0.0,
            of_answer if e.response_harm is not None else 0.0,
            of_prompt if e.category is not None else 0.0,
        )
        found.append(replace(e, weights=weights))
    return found


class Disguises:
    """Random changes to an example: a wrapper, a harmless neighbour, odd spelling. `rate` scales how often."""

    def __init__(self, harmless: Sequence[str], rate: float, seed: int) -> None:
        self._for_all, self._for_harmful = wrappers(["plain"]), wrappers(["plain", "lawless"])
        self._harmless = harmless
        self._rate = rate
        self._chance = random.Random(seed)

    def of(self, example: Example) -> Example:
        """The example, perhaps disguised. Labels stay."""
        chance, prompt = self._chance, example.prompt
        if example.prompt_harm is not None and chance.random() < 0.20 * self._rate:
            around = self._for_harmful if example.prompt_harm else self._for_all
            prompt = chance.choice(around).replace("{request}", prompt)
        elif example.prompt_harm is not None and chance.random() < 0.06 * self._rate:
            neighbour = chance.choice(self._harmless)
            prompt = chance.choice((f"{neighbour}\n\n{prompt}", f"{prompt}\n\n{neighbour}"))
        if chance.random() < 0.10 * self._rate:
            prompt = self._odd(prompt)
        return replace(example, prompt=prompt)

    def _odd(self, text: str) -> str:
        chance = self._chance
        how = chance.randrange(5)
        if how == 0:
            return text.translate(str.maketrans("aeiost", "431057"))
        if how == 1:
            return "".join(character for character in text if chance.random() > 0.03)
        if how == 2:
            return text.rstrip("?.! ")
        if how == 3 and len(text) < 60:
            return " ".join(text)
        letters = list(text)
        for _ in range(max(1, len(letters) // 40)):
            place = chance.randrange(max(1, len(letters) - 1))
            letters[place : place + 2] = reversed(letters[place : place + 2])
        return "".join(letters)
